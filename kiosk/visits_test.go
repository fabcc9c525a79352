package kiosk

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"facegate/access"
	"facegate/device/replay"
	"facegate/internal/sharedtest"
	"facegate/models"
	"facegate/pipeline"
	"facegate/pipeline/imgproc"
	"facegate/pipeline/liveness"
	"facegate/pipeline/match"
	"facegate/store"
)

// A visit is one picture shown to the kiosk for some seconds, then nobody.
type visit struct {
	file   string
	client string
	what   string // genuine, stranger, or the attack's species
	spoof  bool
}

const (
	showFor  = 2 * time.Second
	emptyFor = 1500 * time.Millisecond
)

// visits makes people and visits of spoof_replay_attack: fifteen clients are enrolled from
// their first live frame; their other live frames, the attacks on them, and the live frames
// of the clients who are not enrolled come to the door in an order drawn from a fixed seed.
func visits(t *testing.T) (dir string, enrol map[string]string, list []visit) {
	dir = filepath.Join(sharedtest.Dir(t, "faces"), "spoof_replay_attack")
	f, err := os.Open(filepath.Join(dir, "labels.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	column := func(name string) int { return slices.Index(rows[0], name) }
	file, label, attack, medium, client := column("file"), column("label"), column("attack"), column("medium"), column("client")
	var clients []string
	for _, r := range rows[1:] {
		if !slices.Contains(clients, r[client]) {
			clients = append(clients, r[client])
		}
	}
	slices.Sort(clients)
	members := clients[:15]
	enrol = map[string]string{}
	for _, r := range rows[1:] {
		known := slices.Contains(members, r[client])
		v := visit{file: r[file], client: r[client], spoof: r[label] == "spoof"}
		switch {
		case v.spoof:
			v.what = strings.TrimSpace(r[attack] + " " + r[medium])
		case known && enrol[v.client] == "":
			enrol[v.client] = v.file
			continue
		case known:
			v.what = "genuine"
		default:
			v.what = "stranger"
		}
		if known || !v.spoof {
			list = append(list, v)
		}
	}
	rand.New(rand.NewPCG(3, 5)).Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return dir, enrol, list
}

// A doorLog is a door that takes every request and remembers it. The real door, its pulses
// and its log are tested in cmd/facegated.
type doorLog struct{ unlocked []string }

func (d *doorLog) LockedDown(context.Context) (bool, error) { return false, nil }

func (d *doorLog) Unlock(_ context.Context, f time.Duration, why string) (time.Duration, error) {
	d.unlocked = append(d.unlocked, fmt.Sprintf("%v: %s", f, why))
	return f, nil
}

func decodeRGB(data []byte) (w, h int, rgb []byte, err error) {
	m, err := imgproc.Decode(data)
	if err != nil {
		return 0, 0, nil, err
	}
	return m.W, m.H, m.Pix, nil
}

// tell runs a kiosk on the visits at one level and returns, for each visit, what was decided
// during it. Time is the bubble's: no visit waits for a clock, and no frame is missed.
func tell(t *testing.T, level liveness.Level, dir string, enrol map[string]string, list []visit) (decided [][]access.Event, door *doorLog) {
	home := t.TempDir()
	var b strings.Builder
	b.WriteString("file,seconds\n")
	for _, v := range list {
		fmt.Fprintf(&b, "%s,%v\n,%v\n", filepath.Join(dir, v.file), showFor.Seconds(), emptyFor.Seconds())
	}
	frames := filepath.Join(home, "frames.csv")
	if err := os.WriteFile(frames, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	load := sharedtest.Loader(t)
	an, err := pipeline.Open(load, "")
	if err != nil {
		t.Fatal(err)
	}
	defer an.Close()
	door = &doorLog{}
	decided = make([][]access.Event, len(list))
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		log := slog.New(slog.DiscardHandler)
		db, err := store.Open(ctx, store.Options{Path: filepath.Join(home, "facegate.db"), KeyFile: filepath.Join(home, "key"), Daemon: true, Log: log})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		id, err := NewIdentifier(models.Manifest(), an)
		if err != nil {
			t.Fatal(err)
		}
		enroller := Enroller{DB: db, Analyser: an, Identifier: id}
		for client, file := range enrol {
			if err := AddPerson(ctx, db, Now("test"), access.Person{ID: client, Name: client}); err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(filepath.Join(dir, file))
			if err != nil {
				t.Fatal(err)
			}
			img, err := imgproc.Decode(data)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := enroller.Enrol(ctx, Now("test"), client, img, false); err != nil {
				t.Fatalf("enrol %s: %v", client, err)
			}
		}
		p, err := pipeline.New(an, id, pipeline.Options{Level: level})
		if err != nil {
			t.Fatal(err)
		}
		k := New(Options{Audit: db, Door: door, Clock: &order{}, DoorName: access.MainDoor, Unlock: time.Second, Log: log})
		people := People{DB: db, Galleries: []*match.Gallery{id.Gallery}, Kiosk: k, Log: log}
		if err := people.Load(ctx); err != nil {
			t.Fatal(err)
		}
		camera, err := replay.Open(frames, replay.Options{Decode: decodeRGB, Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		first, err := db.LastEvent(ctx)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		lens := Lens{Camera: camera, Pipeline: p, Kiosk: k, Log: log, UntilIdle: true}
		if err := lens.Run(ctx); !errors.Is(err, ErrIdle) {
			t.Fatalf("the replay ended with %v, want ErrIdle", err)
		}
		events, err := db.Events(ctx, first, 10000)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			i := int(e.Time.Sub(began) / (showFor + emptyFor))
			decided[min(max(i, 0), len(list)-1)] = append(decided[min(max(i, 0), len(list)-1)], e)
		}
		if _, err := db.VerifyEvents(ctx); err != nil {
			t.Errorf("audit trail: %v", err)
		}
	})
	return decided, door
}

// The replay at level passive: nobody unknown is let in, nearly everybody known is, attacks
// are let in no oftener than the single pictures of reference.md say, and each visit has one
// decision.
func TestVisitsPassive(t *testing.T) {
	dir, enrol, list := visits(t)
	if testing.Short() {
		list = list[:40]
	}
	decided, door := tell(t, liveness.LevelPassive, dir, enrol, list)
	visited, granted := map[string]int{}, map[string]int{}
	total := 0
	for i, v := range list {
		visited[v.what]++
		if len(decided[i]) != 1 {
			t.Errorf("%s: %d decisions, want 1: %v", v.file, len(decided[i]), words(decided[i]))
		}
		for _, e := range decided[i] {
			if e.Kind != access.KindGranted {
				continue
			}
			total++
			granted[v.what]++
			if e.Person != v.client {
				t.Errorf("%s: granted as %s", v.file, e.Person)
			}
		}
	}
	t.Logf("granted %v of %v", granted, visited)
	if total != len(door.unlocked) {
		t.Errorf("%d grants, %d requests to the door", total, len(door.unlocked))
	}
	if granted["stranger"] > 0 {
		t.Errorf("%d strangers granted", granted["stranger"])
	}
	if testing.Short() {
		return
	}
	if g, n := granted["genuine"], visited["genuine"]; g*10 < n*9 {
		t.Errorf("%d of %d genuine visits granted, want 90 %%", g, n)
	}
	most := acceptedSingle(t, dir, list)
	for what, n := range granted {
		if what != "genuine" && n > most[what] {
			t.Errorf("%d attacks of species %q granted, as single pictures %d are accepted", n, what, most[what])
		}
	}
}

// acceptedSingle counts, by species, the attacks whose picture alone passes the passive check:
// the figures of reference.md, on these very visits.
func acceptedSingle(t *testing.T, dir string, list []visit) map[string]int {
	an, err := pipeline.Open(sharedtest.Loader(t), "")
	if err != nil {
		t.Fatal(err)
	}
	defer an.Close()
	n := map[string]int{}
	for _, v := range list {
		if !v.spoof {
			continue
		}
		data, err := os.ReadFile(filepath.Join(dir, v.file))
		if err != nil {
			t.Fatal(err)
		}
		img, err := imgproc.Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		a, err := an.Picture(img, pipeline.Passive)
		if err != nil {
			t.Fatal(err)
		}
		if a.Liveness >= .5 {
			n[v.what]++
		}
	}
	t.Logf("accepted as single pictures: %v", n)
	return n
}

// The same at level depth: a still is flat, so nobody is let in, and faces that were good
// enough to be judged are called what they are.
func TestVisitsDepth(t *testing.T) {
	dir, enrol, list := visits(t)
	list = list[:len(list)/4]
	if testing.Short() {
		list = list[:10]
	}
	decided, door := tell(t, liveness.LevelDepth, dir, enrol, list)
	if len(door.unlocked) > 0 {
		t.Errorf("the door was asked to unlock: %v", door.unlocked)
	}
	spoof := 0
	for i, v := range list {
		if len(decided[i]) != 1 {
			t.Errorf("%s: %d decisions, want 1: %v", v.file, len(decided[i]), words(decided[i]))
			continue
		}
		switch e := decided[i][0]; {
		case e.Kind == access.KindGranted:
			t.Errorf("%s: granted at level depth", v.file)
		case e.Reason == access.ReasonSpoof:
			spoof++
		case !e.Reason.Quality():
			t.Errorf("%s: refused for %s, want spoof", v.file, e.Reason)
		}
	}
	if spoof*10 < len(list)*9 {
		t.Errorf("%d of %d stills called spoof", spoof, len(list))
	}
}

func words(events []access.Event) []string {
	var out []string
	for _, e := range events {
		out = append(out, fmt.Sprintf("%s %s %s", e.Time.Format("05.000"), e.Kind, e.Reason))
	}
	return out
}
