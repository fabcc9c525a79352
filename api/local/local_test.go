package local

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"facegate/access"
	"facegate/access/pin"
	"facegate/health"
	"facegate/kiosk"
	"facegate/store"
)

// A shut door is one that is never asked to unlock but by a grant.
type shut struct{ pulses int }

func (s *shut) Unlock(context.Context, time.Duration, string) (time.Duration, error) {
	s.pulses++
	return time.Second, nil
}
func (s *shut) LockedDown(context.Context) (bool, error) { return false, nil }

func (s *shut) Trust(now time.Time) (access.Clock, time.Time) { return access.ClockSynced, now }

// serve runs a server of a kiosk with ada, whose PIN opens, and returns a client of it.
func serve(t *testing.T) (*http.Client, *health.Board, *shut) {
	t.Helper()
	dir, err := os.MkdirTemp("", "local") // shorter than t.TempDir: a socket's path is bounded
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	log := slog.New(slog.DiscardHandler)
	db, err := store.Open(t.Context(), store.Options{Path: filepath.Join(dir, "db"), KeyFile: filepath.Join(dir, "key"), Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	rules := &access.Rules{
		Groups: map[string]access.GroupRule{"staff": {}},
		Doors:  map[string]access.DoorRule{access.MainDoor: {Demand: access.Demand{Factors: access.FactorFaceOrPIN}}},
		Access: []access.AccessRule{{Groups: []string{"staff"}, Doors: []string{access.MainDoor}}},
	}
	policy, err := rules.Compile(1)
	if err != nil {
		t.Fatal(err)
	}
	hash, err := pin.Hash("8264")
	if err != nil {
		t.Fatal(err)
	}
	door := &shut{}
	k := kiosk.New(kiosk.Options{Audit: db, Door: door, Clock: door, DoorName: access.MainDoor, Log: log})
	k.SetPolicy(policy)
	k.SetPeople(access.NewDirectory([]access.Person{{ID: "ada", Groups: []string{"staff"}, PIN: hash}}))
	board := health.NewBoard()
	s := &Server{Path: filepath.Join(dir, SocketName), Board: board, Kiosk: k, Screen: &kiosk.Screen{}, Log: log}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	<-s.Ready()
	if info, err := os.Stat(s.Path); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("socket mode %v, %v; want 0660", info.Mode().Perm(), err)
	}
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", s.Path)
	}}}
	t.Cleanup(client.CloseIdleConnections)
	return client, board, door
}

func ask(t *testing.T, c *http.Client, method, path, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://facegated"+path, bytes.NewBufferString(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, strings.TrimSpace(string(text))
}

func TestPIN(t *testing.T) {
	c, _, door := serve(t)
	for _, tt := range []struct {
		name, body string
		status     int
		want       string
		pulses     int
	}{
		{"right", `{"person":"ada","pin":"8264"}`, 200, `{"decision":"grant","say":"welcome"}`, 1},
		{"wrong", `{"person":"ada","pin":"8265"}`, 200, `{"decision":"deny","reason":"pin_wrong","say":"that PIN is not right"}`, 1},
		{"nobody", `{"person":"eve","pin":"8264"}`, 200, `{"decision":"deny","reason":"pin_wrong","say":"that PIN is not right"}`, 1},
		{"no PIN", `{"person":"ada"}`, 200, `{"decision":"deny","reason":"pin_wrong","say":"that PIN is not right"}`, 1},
		{"no person", `{"pin":"8264"}`, 400, "", 1},
		{"a field nobody knows", `{"person":"ada","pin":"8264","door":"x"}`, 400, "", 1},
		{"two objects", `{"person":"ada","pin":"8264"}{}`, 400, "", 1},
		{"a number", `{"person":"ada","pin":8264}`, 400, "", 1},
		{"too long", `{"person":"ada","pin":"` + strings.Repeat("8", maxBody) + `"}`, 400, "", 1},
		{"no JSON", `person=ada`, 400, "", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, got := ask(t, c, http.MethodPost, "/pin", tt.body)
			if status != tt.status || tt.want != "" && got != tt.want || door.pulses != tt.pulses {
				t.Errorf("got %d %s and %d pulses, want %d %s and %d", status, got, door.pulses, tt.status, tt.want, tt.pulses)
			}
		})
	}
}

func TestHealthAndGuidance(t *testing.T) {
	c, board, _ := serve(t)
	if status, got := ask(t, c, http.MethodGet, "/health", ""); status != 200 || got != `{"conditions":[]}` {
		t.Errorf("a healthy kiosk: got %d %s", status, got)
	}
	now := time.Now()
	board.Set(health.StoreSick, true, "disk full", now)
	board.Advance(now.Add(time.Hour))
	status, got := ask(t, c, http.MethodGet, "/health", "")
	var in struct {
		Conditions []struct {
			ID, Cause, Hint string
		}
	}
	if err := json.Unmarshal([]byte(got), &in); err != nil || status != 200 || len(in.Conditions) != 1 || in.Conditions[0].ID != "store_sick" || in.Conditions[0].Cause != "disk full" || in.Conditions[0].Hint == "" {
		t.Errorf("a sick store: got %d %s, %v", status, got, err)
	}
	if status, got := ask(t, c, http.MethodGet, "/guidance", ""); status != 200 || got != `{"say":"","faces":0}` {
		t.Errorf("nobody at the door: got %d %s", status, got)
	}
	if status, _ := ask(t, c, http.MethodGet, "/people", ""); status != 404 {
		t.Errorf("a path that is none: got %d", status)
	}
}
