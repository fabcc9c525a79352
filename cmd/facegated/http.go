package main

import (
	"context"
	"errors"
	"net/http"
	"time"

	"facegate/api"
	"facegate/api/argos"
	"facegate/api/baf"
	"facegate/api/faceguard"
	"facegate/api/facephi"
	"facegate/api/lapis"
	"facegate/api/webhook"
	"facegate/document"
	"facegate/fleet/lookup"
	"facegate/health"
	"facegate/internal/config"
	"facegate/internal/task"
	"facegate/judge"
	"facegate/pipeline"
)

// serveAPIs is the tasks that answer over HTTP for a service: the server, the judge of posted
// pictures, and what goes with them. Posted pictures make way while somebody stands before the
// camera.
func serveAPIs(s *api.Service, c *config.Config, eyes *eyes, priority *judge.Priority, board *health.Board) []task.Task {
	pictures := api.NewRoom(maxPixels)
	j := judge.New(judge.Options{
		Open: eyes.judging, Identifier: eyes.identifier(), DB: s.DB, Yield: priority.Yield, Barred: eyes.barredStages, Pictures: pictures, Log: s.Log,
	})
	s.Judge, s.Keys, s.Room = j, api.NewKeys(s.DB), api.NewRoom(api.Bodies)
	s.Documents = &judge.Documents{Reader: document.Open(), Yield: priority.Yield, Pictures: pictures, Log: s.Log}
	s.Tally = &api.Tally{Service: s}
	mux := http.NewServeMux()
	mount(mux, s, board, priority)
	return []task.Task{j, s.Tally, &webhook.Sender{DB: s.DB, Clock: s.Clock, Log: s.Log}, &api.Server{
		Listen: c.HTTP.Listen, Cert: c.HTTP.Cert, Key: c.HTTP.Key, Mux: mux, Log: s.Log,
		Down: func(err error) { board.Set(health.HTTPDown, err != nil, text(err), time.Now()) },
	}}
}

// maxPixels is how many bytes of the pixels of large pictures are held at once.
const maxPixels = 24 << 20

// mount registers what is served.
func mount(mux *http.ServeMux, s *api.Service, board *health.Board, priority *judge.Priority) {
	published := http.NewServeMux()
	facephi.Register(published, s)
	lapis.Register(published, s)
	argos.Register(published, s)
	baf.Register(published, s)
	faceguard.Register(published, s)
	mux.Handle("/", patient(published, priority))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		api.JSON(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if _, blocked := board.Blocked(); blocked {
			api.JSON(w, http.StatusServiceUnavailable, map[string]string{"status": "nobody is let in by face"})
			return
		}
		api.JSON(w, http.StatusOK, map[string]string{"status": "ready"})
	})
}

// makeWay is how long a call waits for somebody before the lens at most: most are decided on by
// then.
const makeWay = 2 * time.Second

// patient lets calls wait while somebody before the lens is being decided on. However many there
// are, the machine is the camera's meanwhile.
func patient(next http.Handler, priority *judge.Priority) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), makeWay)
		priority.Yield(ctx)
		cancel()
		next.ServeHTTP(w, r)
	})
}

// errNoModels is why nothing that was posted can be looked at.
var errNoModels = errors.New("the inference runtime cannot be used")

// identifier holds who is enrolled, nil for eyes that recognise nobody.
func (e *eyes) identifier() *pipeline.Identifier {
	if e == nil {
		return nil
	}
	return e.id
}

// barredStages are those whose models the site may not use any more.
func (e *eyes) barredStages(now time.Time) pipeline.Stages {
	stages, _ := e.barred(now)
	return stages
}

// judging is an Analyser for posted pictures, with every model that can be used. The error
// names those that cannot.
func (e *eyes) judging() (*pipeline.Analyser, error) {
	if e == nil {
		return nil, errNoModels
	}
	embedder := ""
	if e.an != nil {
		embedder = e.an.Embedder()
	}
	an, lacks := pipeline.OpenParts(e.engine.Share, embedder)
	if e.id == nil {
		return an, lacks
	}
	for _, r := range e.id.Older {
		lacks = errors.Join(lacks, an.AddEmbedder(e.engine.Share, r.Gallery.Model()))
	}
	return an, lacks
}

// openFleet is where people are asked for whom this kiosk does not hold, nil for nowhere.
func openFleet(c *config.Config) (api.Directory, error) {
	if c.Fleet.People == "" {
		return nil, nil
	}
	client, err := lookup.New(lookup.Options{URL: c.Fleet.People, CA: c.MQTT.CA, Cert: c.MQTT.Cert, Key: c.MQTT.Key})
	if err != nil {
		return nil, err
	}
	return api.Fleet{Client: client}, nil
}
