package access

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A site is a large one: 100 000 people, 1 000 schedules, 500 groups, 20 doors.
type site struct {
	rules  Rules
	people Directory
	ids    []string
	memory *Memory
}

func newSite(seed uint64) *site {
	r := rand.New(rand.NewPCG(seed, 0))
	s := &site{people: make(Directory), memory: new(Memory)}
	s.rules = Rules{
		TimeZone: "Europe/Berlin", Holidays: map[string][]string{"public": {"01-01", "05-01", "12-25", "12-26", "2026-04-03", "2026-04-06"}, "works": {"2026-12-24..2026-12-31"}},
		Schedules: make(map[string]ScheduleRule), Groups: make(map[string]GroupRule), Doors: make(map[string]DoorRule),
	}
	for i := range 1000 {
		from := 5 + r.IntN(6)
		s.rules.Schedules[fmt.Sprintf("s%d", i)] = ScheduleRule{
			Times:    []string{fmt.Sprintf("mon-thu %02d:00-%02d:30", from, from+8), fmt.Sprintf("fri %02d:00-%02d:00", from, from+6), "sat,sun 22:00-04:00", "holiday 10:00-12:00"},
			Holidays: []string{"public", "works"},
		}
	}
	for i := range 20 {
		s.rules.Access = append(s.rules.Access, AccessRule{Groups: []string{"g0"}, Doors: []string{fmt.Sprintf("d%d", i)}, Schedule: "s0"})
		s.rules.Doors[fmt.Sprintf("d%d", i)] = DoorRule{
			Demand: Demand{Mask: CoverRemind}, AntiPassback: Duration{time.Minute}, First: []string{"g0"}, Bypass: true, Escort: true,
			When: []WhenRule{{Schedule: fmt.Sprintf("s%d", i), Demand: Demand{Factors: FactorFaceOrPIN}}, {Schedule: fmt.Sprintf("s%d", 999-i), Demand: Demand{Score: 85}}},
		}
	}
	for i := range 500 {
		g := fmt.Sprintf("g%d", i)
		s.rules.Groups[g] = GroupRule{}
		for range 2 + r.IntN(6) { // several rows a group, each for several doors
			var doors []string
			for range 8 {
				if d := fmt.Sprintf("d%d", r.IntN(20)); !slices.Contains(doors, d) {
					doors = append(doors, d)
				}
			}
			s.rules.Access = append(s.rules.Access, AccessRule{Groups: []string{g}, Doors: doors, Schedule: fmt.Sprintf("s%d", r.IntN(1000))})
		}
	}
	for i := range 100000 {
		p := Person{ID: fmt.Sprintf("p%d", i), Name: "Somebody", PIN: "hash", ValidFrom: noon.AddDate(-1, 0, 0), ValidUntil: noon.AddDate(1, 0, 0)}
		for range 1 + r.IntN(5) {
			if g := fmt.Sprintf("g%d", r.IntN(500)); !slices.Contains(p.Groups, g) {
				p.Groups = append(p.Groups, g)
			}
		}
		s.people[p.ID], s.ids = p, append(s.ids, p.ID)
	}
	for i := range 20000 { // a busy day
		id := s.ids[r.IntN(len(s.ids))]
		s.memory.Observe(Event{Kind: KindGranted, Person: id, Door: fmt.Sprintf("d%d", i%20), Time: noon.Add(time.Duration(i-20000) * time.Second)}, s.people.Person)
	}
	return s
}

// crowded leaves people of 64 groups each.
func (s *site) crowded() {
	for _, id := range s.ids[:1000] {
		p := s.people[id]
		p.Groups = nil
		for i := range 64 {
			p.Groups = append(p.Groups, fmt.Sprintf("g%d", (i*7)%500))
		}
		s.people[id] = p
	}
	s.ids = s.ids[:1000]
}

// visit is one of somebody at a door that some row of theirs names, in the afternoon or on any
// later day of the month.
func (s *site) visit(r *rand.Rand) Visit {
	id := s.ids[r.IntN(len(s.ids))]
	var doors []string
	for _, row := range s.rules.Access {
		if slices.Contains(s.people[id].Groups, row.Groups[0]) {
			doors = append(doors, row.Doors...)
		}
	}
	at := noon.Add(time.Duration(r.IntN(8*60)) * time.Minute)
	if r.IntN(2) == 0 {
		at = noon.Add(time.Duration(r.IntN(30*24*60)) * time.Minute)
	}
	return Visit{
		Door: doors[r.IntN(len(doors))], At: at, Clock: ClockSynced,
		Seen: &Sighting{
			Quality: "ok", Liveness: Live, Level: "depth", Score: 0.97, Mask: "none", Head: "none", Threshold: Threshold{Score: 80, Margin: 0.05},
			Matches: []Match{{id, 96.4, 0.71}, {"p1", 31, 0.22}, {"p2", 30, 0.2}, {"p3", 28, 0.19}},
		},
	}
}

func BenchmarkDecide(b *testing.B) {
	for _, x := range []struct {
		name    string
		prepare func(*site)
	}{{"100000people", func(*site) {}}, {"64groups", (*site).crowded}} {
		b.Run(x.name, func(b *testing.B) {
			s := newSite(1)
			x.prepare(s)
			p, err := s.rules.Compile(1)
			if err != nil {
				b.Fatal(err)
			}
			r := rand.New(rand.NewPCG(2, 0))
			visits := make([]Visit, 4096)
			for i := range visits {
				visits[i] = s.visit(r)
			}
			took := make([]time.Duration, 0, 1<<20)
			grants := 0
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				begin := time.Now()
				d := p.Decide(visits[i%len(visits)], s.people.Person, s.memory)
				if t := time.Since(begin); len(took) < cap(took) {
					took = append(took, t)
				}
				if d.Outcome == Grant {
					grants++
				}
			}
			b.StopTimer()
			b.ReportMetric(float64(slowVisit(took, len(visits)).Nanoseconds()), "p99-undisturbed-ns")
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Nanoseconds()), "p50-ns")
			b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds()), "p99-ns")
			b.ReportMetric(float64(grants)/float64(b.N), "grants/op")
		})
	}
}

// slowVisit is the 99th percentile over visits of what each took in the median of its turns:
// how slow slow visits are, without what else the machine did meanwhile.
func slowVisit(took []time.Duration, visits int) time.Duration {
	var each []time.Duration
	for i := range min(visits, len(took)) {
		var turns []time.Duration
		for n := i; n < len(took); n += visits {
			turns = append(turns, took[n])
		}
		slices.Sort(turns)
		each = append(each, turns[len(turns)/2])
	}
	slices.Sort(each)
	return each[len(each)*99/100]
}

func BenchmarkCompile(b *testing.B) {
	s := newSite(1)
	for b.Loop() {
		if _, err := s.rules.Compile(1); err != nil {
			b.Fatal(err)
		}
	}
}

// New policies take the place of old ones while others decide, without a lock: each decision
// is that of one policy, the old or the new. The race detector watches.
func TestPolicySwapWhileDeciding(t *testing.T) {
	open := Rules{Groups: map[string]GroupRule{"g": {}}, Doors: map[string]DoorRule{"main": {}}, Access: []AccessRule{{Groups: []string{"g"}, Doors: []string{"main"}}}}
	shut := Rules{Groups: map[string]GroupRule{"g": {}}, Doors: map[string]DoorRule{"main": {}}}
	people := NewDirectory([]Person{{ID: "p1", Groups: []string{"g"}}})
	var current atomic.Pointer[Policy]
	swap := func(revision uint64) {
		r := &open
		if revision%2 == 1 {
			r = &shut
		}
		p, err := r.Compile(revision)
		if err != nil {
			t.Error(err)
			return
		}
		current.Store(p)
	}
	swap(0)
	const swaps = 500
	var deciders sync.WaitGroup
	for range 4 {
		deciders.Go(func() {
			for last := uint64(0); last < swaps; {
				d := current.Load().Decide(visit(genuine(), MainDoor, noon), people.Person, nil)
				if (d.Outcome == Grant) != (d.Policy%2 == 0) || d.Policy < last {
					t.Errorf("policy %d after %d: %v %s", d.Policy, last, d.Outcome, d.Reason)
					return
				}
				last = d.Policy
			}
		})
	}
	for revision := range uint64(swaps) {
		swap(revision + 1)
	}
	deciders.Wait()
}
