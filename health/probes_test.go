package health

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestDisk(t *testing.T) {
	const mib, gib = 1 << 20, 1 << 30
	type look struct {
		free uint64
		low  bool
	}
	tests := []struct {
		name  string
		total uint64
		looks []look
	}{
		{"a large disk is low below its share", 100 * gib, []look{{5 * gib, false}, {5*gib - 1, true}, {6*gib - 1, true}, {6 * gib, false}, {5 * gib, false}}},
		{"a small one below an amount", 1 * gib, []look{{200 * mib, false}, {200*mib - 1, true}, {249 * mib, true}, {250 * mib, false}}},
		{"a full one", 1 * gib, []look{{0, true}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var free uint64
			p := (&Disk{Dirs: []string{"/data"}, Space: func(string) (uint64, uint64, error) { return free, tt.total, nil }}).Probe()
			for i, l := range tt.looks {
				free = l.free
				if low, cause := p.Look(t.Context(), time.Time{}); low != l.low || low != strings.HasPrefix(cause, "/data: ") {
					t.Errorf("look %d with %d bytes free: got %v (%s), want %v", i, l.free, low, cause, l.low)
				}
			}
		})
	}
}

func TestDiskThatIsGone(t *testing.T) {
	here := t.TempDir()
	d := &Disk{Dirs: []string{here}}
	d.Probe().Look(t.Context(), time.Time{})
	free, total, err := statfs(here)
	if err != nil || total == 0 || free > total {
		t.Errorf("the kernel says %d of %d bytes, %v", free, total, err)
	}
	d.Dirs = append(d.Dirs, filepath.Join(here, "gone"))
	if low, cause := d.Probe().Look(t.Context(), time.Time{}); !low || !strings.Contains(cause, "no such file") {
		t.Errorf("got %v, %q", low, cause)
	}
}

func TestHeat(t *testing.T) {
	root := t.TempDir()
	zone := func(name, temp string) {
		t.Helper()
		dir := filepath.Join(root, "sys/class/thermal", name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for file, text := range map[string]string{"temp": temp, "type": "cpu-thermal"} {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	p := (&Heat{Root: root}).Probe()
	look := func(want bool, says string) {
		t.Helper()
		if hot, cause := p.Look(t.Context(), time.Time{}); hot != want || cause != says {
			t.Errorf("got %v, %q; want %v, %q", hot, cause, want, says)
		}
	}
	look(false, "") // no zone at all
	zone("thermal_zone0", "51000")
	look(false, "")
	zone("thermal_zone1", "80000")
	look(false, "")
	zone("thermal_zone1", "80500")
	look(true, "80 °C (cpu-thermal)")
	zone("thermal_zone1", "75000")
	look(true, "75 °C (cpu-thermal)")
	zone("thermal_zone1", "74900")
	look(false, "")
	zone("thermal_zone1", "-274000") // not wired
	zone("thermal_zone2", "2147483647000")
	zone("thermal_zone3", "255000")
	zone("thermal_zone4", "warm")
	zone("thermal_zone0", "90000")
	look(true, "90 °C (cpu-thermal)")
	if err := os.RemoveAll(filepath.Join(root, "sys")); err != nil {
		t.Fatal(err)
	}
	look(false, "")
}

func TestQueue(t *testing.T) {
	now := time.Unix(1e9, 0)
	tests := []struct {
		name   string
		oldest time.Time
		err    error
		old    bool
		says   string
	}{
		{"an empty queue", time.Time{}, nil, false, ""},
		{"at the limit", now.Add(-time.Hour), nil, false, ""},
		{"beyond it", now.Add(-90 * time.Minute), nil, true, "outbox: the oldest waits for 1h30m0s"},
		{"from the future", now.Add(time.Hour), nil, false, ""},
		{"not readable", time.Time{}, errors.New("disk is sick"), true, "outbox: disk is sick"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := &Queue{Name: "outbox", Oldest: func(context.Context) (time.Time, error) { return tt.oldest, tt.err }, Limit: time.Hour}
			if old, says := q.Probe().Look(t.Context(), now); old != tt.old || says != tt.says {
				t.Errorf("got %v, %q; want %v, %q", old, says, tt.old, tt.says)
			}
		})
	}
}

func TestBlackness(t *testing.T) {
	flat := func(level byte, bright int) []byte {
		s := make([]byte, 1000)
		for i := range s {
			s[i] = level
			if i < bright {
				s[i] = 250
			}
		}
		return s
	}
	tests := []struct {
		name  string
		luma  []byte
		black bool
	}{
		{"a picture of one colour is a scene", flat(118, 0), false},
		{"limited range's black", flat(16, 0), true},
		{"a covered lens whose noise is amplified", flat(44, 0), true}, // still black: it was
		{"a little light", flat(48, 0), false},
		{"as dark as it was when it was black", flat(44, 0), false},
		{"a sensor that sends zeros", flat(0, 0), true},
		{"no samples change nothing", nil, true},
		{"hot pixels are no light", flat(16, 10), true},
		{"a lamp in the dark is", flat(16, 11), false},
	}
	var b Blackness
	for _, tt := range tests {
		black, cause := b.See(tt.luma)
		if black != tt.black || len(tt.luma) > 0 && black != (cause != "") {
			t.Errorf("%s: got %v (%s), want %v", tt.name, black, cause, tt.black)
		}
	}
}

func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, ctx, cancel := started(t)
		defer cancel()
		sub, start := b.Subscribe(), time.Now()
		var bad atomic.Bool
		w := &Watch{Board: b, Every: time.Second, Probes: []Probe{
			{Tamper, func(context.Context, time.Time) (bool, string) { return bad.Load(), "opened" }},
			Clock(func(now time.Time) (bool, string) { return now.Sub(start) > 100*time.Second, "no time service" }),
		}}
		ctx, stop := context.WithCancel(ctx)
		done := make(chan error, 1)
		go func() { done <- w.Run(ctx) }()
		<-w.Ready()
		time.Sleep(1500 * time.Millisecond)
		bad.Store(true)
		time.Sleep(time.Second)
		bad.Store(false)
		time.Sleep(3 * time.Minute)
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		want := "tamper+2s tamper-8s clock_unsure+1m0s clock_unsure-1m46s"
		if got := strings.Join(log(sub, start), " "); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}
