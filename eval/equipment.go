package eval

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"facegate/access"
	"facegate/pipeline"
	"facegate/pipeline/face"
	"facegate/pipeline/match"
)

// The doors that pictures are held before, by what they ask for.
const (
	maskDoor   = "mask required"
	bareDoor   = "mask forbidden"
	helmetDoor = "helmet required"
)

// site is rules with the three doors, which everybody may pass.
func site() (*access.Policy, error) {
	rules := access.Rules{
		TimeZone: "UTC",
		Doors: map[string]access.DoorRule{
			maskDoor: {Demand: access.Demand{Mask: access.CoverRequired}}, bareDoor: {Demand: access.Demand{Mask: access.CoverForbidden}},
			helmetDoor: {Demand: access.Demand{Helmet: access.CoverRequired}},
		},
		Access: []access.AccessRule{{Groups: []string{access.Everybody}, Doors: []string{maskDoor, bareDoor, helmetDoor}}},
	}
	return rules.Compile(1)
}

// identifier is that of a door with an empty gallery.
func (s *suite) identifier(o Options, dim int) (*pipeline.Identifier, error) {
	gallery, err := match.NewGallery(s.model, dim)
	if err != nil {
		return nil, err
	}
	return &pipeline.Identifier{
		Gallery: gallery, Calibration: o.Calibration, Masked: o.Masked,
		FPIR: match.DefaultFPIR, PolicyScore: match.DefaultPolicyScore, Margin: match.DefaultMargin,
	}, nil
}

// enrolled is who a picture of the two mask sets shows, where there is a bare and a masked
// picture of them to enrol, and whether this is one of the two.
func enrolled(r *record) (person string, with, isMask bool) {
	switch r.set {
	case "mask_states":
		state := r.labels["mask"]
		return r.labels["person"], state == "none" || state == "full", state == "full"
	case "mask_wild":
		return r.labels["pair"], r.labels["pair"] != "", r.labels["mask"] == "mask_synthetic"
	}
	return "", false, false
}

// equipment holds stills before doors that ask for masks and helmets, or forbid masks.
func (s *suite) equipment(o Options) (section, error) {
	t := section{
		Title: "Protective equipment: doors",
		Note: "Stills, decided by the rules as at the door; that the face is alive is taken for granted. The people of mask_states are enrolled bare and with a full mask, so that their other pictures are probes. " +
			"Those of mask_wild of whom there is a bare picture and the same with a mask drawn on are enrolled with these two, which makes finding them trivial. All others are taken as recognised. " +
			"Nothing is dropped: a picture whose quality is refused is refused. At the door several frames have to agree, which stills cannot show.",
		Columns: []string{
			"pictures of", "n", maskDoor + ": granted", "refused", bareDoor + ": granted", "refused (forbidden)", helmetDoor + ": granted", "refused (helmet)",
		},
	}
	policy, err := site()
	if err != nil {
		return t, err
	}
	id, err := s.crowd(o)
	if err != nil {
		return t, err
	}
	other := where(s.records["head_lfw"], func(r *record) bool { return !slices.Contains([]string{"", "none", "cap", "visor"}, r.labels["cover"]) })
	for _, g := range []struct {
		name                string
		rs                  []*record
		mask, bare, helmets string // headlines
	}{
		{name: "mask over nose and mouth (mask_states)", rs: s.labelled("mask_states", "mask", "full")},
		{name: "nose above the mask (mask_states)", rs: s.labelled("mask_states", "mask", "nose_out")},
		{name: "mask below the chin (mask_states)", rs: s.labelled("mask_states", "mask", "chin")},
		{name: "no mask (mask_states)", rs: s.labelled("mask_states", "mask", "none")},
		{
			"real masks (mask_wild)", s.labelled("mask_wild", "mask", "mask"),
			"Equipment: real masks granted where a mask is required", "Equipment: real masks granted where masks are forbidden", "",
		},
		{name: "masks drawn on (mask_wild)", rs: s.labelled("mask_wild", "mask", "mask_synthetic")},
		{
			"bare faces (mask_wild)", s.labelled("mask_wild", "mask", "nomask"),
			"Equipment: bare faces granted where a mask is required", "Equipment: bare faces granted where masks are forbidden", "",
		},
		{name: "helmets (head_helmet)", rs: s.records["head_helmet"], helmets: "Equipment: helmets granted where a helmet is required"},
		{name: "bare heads (head_lfw)", rs: s.labelled("head_lfw", "cover", "none"), helmets: "Equipment: bare heads granted where a helmet is required"},
		{name: "caps and visors (head_lfw)", rs: s.labelled("head_lfw", "cover", "cap", "visor"), helmets: "Equipment: caps granted where a helmet is required"},
		{name: "other covers (head_lfw)", rs: other},
	} {
		if len(g.rs) == 0 {
			continue
		}
		cells := []any{g.name, len(g.rs)}
		for _, door := range []struct{ name, headline string }{{maskDoor, g.mask}, {bareDoor, g.bare}, {helmetDoor, g.helmets}} {
			granted, refused := Rate{N: len(g.rs)}, map[string]int{}
			for _, r := range g.rs {
				d, err := before(policy, door.name, id, r)
				if err != nil {
					return t, err
				}
				if d.Outcome == access.Grant {
					granted.K++
				} else {
					refused[string(d.Reason)]++
				}
			}
			cells = append(cells, granted, tally(refused))
			if door.headline != "" {
				s.headline(door.headline, granted)
			}
		}
		t.add(cells...)
	}
	return t, nil
}

// crowd enrols whom enrolled names, from pictures a door would enrol.
func (s *suite) crowd(o Options) (*pipeline.Identifier, error) {
	var id *pipeline.Identifier
	for _, r := range slices.Concat(s.records["mask_states"], s.records["mask_wild"]) {
		person, with, isMask := enrolled(r)
		if !with || r.embedding == nil {
			continue
		}
		if id == nil {
			var err error
			if id, err = s.identifier(o, len(r.embedding)); err != nil {
				return nil, err
			}
		}
		if err := id.Gallery.Add(person, match.Template{Model: s.model, Vector: r.embedding, Masked: isMask}); err != nil {
			return nil, err
		}
	}
	if id == nil {
		return s.identifier(o, 1) // nobody
	}
	return id, nil
}

// before is what a door says to a picture.
func before(p *access.Policy, door string, id *pipeline.Identifier, r *record) (access.Decision, error) {
	a := pipeline.Analysis{Quality: r.quality, Cover: r.cover, Embedding: r.embedding}
	person, _, _ := enrolled(r)
	if person == "" {
		a.Embedding = nil
	}
	s, err := id.Sighting(&a)
	if err != nil {
		return access.Decision{}, fmt.Errorf("%s: %w", r.labels["file"], err)
	}
	if person == "" {
		person = "somebody"
		s.Matches, s.Threshold = []access.Match{{Person: person, Score: 100, Cosine: 1}}, access.Threshold{Score: match.DefaultPolicyScore, Margin: match.DefaultMargin}
	}
	s.Liveness, s.Score = access.Live, 1
	everybody := func(id string) (access.Person, bool) { return access.Person{ID: id}, true }
	d := p.Decide(access.Visit{Door: door, At: time.Unix(0, 0), Clock: access.ClockSynced, Seen: &s}, everybody, nil)
	if d.Outcome == access.Grant && d.Person != person {
		d.Outcome, d.Reason = access.Deny, "taken for somebody else"
	}
	return d, nil
}

// behindMasks is how alike strangers are where one or both wear a mask, at the thresholds that
// are shipped.
func (s *suite) behindMasks(o Options) section {
	t := section{
		Title: "Recognition behind masks: false matches",
		Note: "Thresholds as shipped. A face behind a mask is held against bare templates by the calibration of bare faces, and against templates taken behind masks by one of its own. " +
			"Of the real masks it is not known who is who: all pairs count as two people although some are not, so these rates err high. The last rate of the masked calibration is extrapolated.",
		Columns: []string{"comparisons", "calibration"},
	}
	for _, f := range rates()[:4] {
		t.Columns = append(t.Columns, "at "+rateName(f))
	}
	usable := func(rs []*record) []*record { return where(rs, func(r *record) bool { return r.embedding != nil }) }
	worn := func(rs []*record) []*record { return where(usable(rs), isMask) }
	real, drawn := worn(s.labelled("mask_wild", "mask", "mask")), worn(s.labelled("mask_wild", "mask", "mask_synthetic"))
	bare, lfw := usable(s.labelled("mask_wild", "mask", "nomask")), usable(s.records["lfw"])
	row := func(name string, scale *match.Calibration, called string, a, b []*record) {
		if len(a) == 0 || len(b) == 0 || scale == nil {
			return
		}
		var thresholds []float64
		for _, f := range rates()[:4] {
			thresholds = append(thresholds, scale.Threshold(1, f, 0).Cosine)
		}
		cells := []any{name, called}
		for _, r := range falseMatches(a, b, thresholds) {
			cells = append(cells, falseMatch(r))
		}
		t.add(cells...)
	}
	onLFW := worn(s.drawn)
	row("masks drawn on lfw, bare faces of lfw", o.Calibration, "bare", onLFW, lfw)
	row("masks drawn on lfw, each other", o.Masked, "masked", onLFW, onLFW)
	row("real masks, bare faces of lfw", o.Calibration, "bare", real, lfw)
	row("real masks, bare faces of mask_wild", o.Calibration, "bare", real, bare)
	row("real masks, real masks", o.Calibration, "bare (not used so)", real, real)
	row("real masks, real masks", o.Masked, "masked", real, real)
	row("real masks, drawn masks", o.Masked, "masked", real, drawn)
	return t
}

// falseMatches is how many comparisons of two people reach each threshold. Two records are of
// one person where their labels say so.
func falseMatches(a, b []*record, thresholds []float64) []Rate {
	out := make([]Rate, len(thresholds))
	within := &a[0] == &b[0] // one list, in which each pair comes twice
	for i, x := range a {
		for j, y := range b {
			switch {
			case within && j <= i:
				continue // has had its turn
			case x.set == y.set && x.labels["pair"] != "" && x.labels["pair"] == y.labels["pair"]:
				continue
			case x.set == "lfw" && y.set == "lfw" && identityOf(x) == identityOf(y):
				continue
			}
			v := cosine(x.embedding, y.embedding)
			for k, t := range thresholds {
				out[k].N++
				if v >= t {
					out[k].K++
				}
			}
		}
	}
	return out
}

// maskedStrangers is who is named among many where strangers wear masks.
func (s *suite) maskedStrangers(o Options) (section, error) {
	t := section{
		Title: "Recognition behind masks, 1:N",
		Note: "Enrolled: two bare pictures of everybody in lfw who has as many, and the people of the mask sets both ways. Strangers: the real masks of mask_wild. " +
			"Then everybody of the real masks enrolled with that picture, each one's own left out: some of them do have another picture among the rest, which is no error.",
		Columns: []string{"strangers", "templates", "threshold", "named"},
	}
	real := where(s.labelled("mask_wild", "mask", "mask"), func(r *record) bool { return r.embedding != nil })
	if len(real) == 0 {
		return t, nil
	}
	id, err := s.crowd(o)
	if err != nil {
		return t, err
	}
	if id.Gallery.Dim() != len(real[0].embedding) {
		if id, err = s.identifier(o, len(real[0].embedding)); err != nil {
			return t, err
		}
	}
	of := map[string][]*record{}
	for _, r := range s.records["lfw"] {
		if who := identityOf(r); r.embedding != nil && who != "" {
			of[who] = append(of[who], r)
		}
	}
	for _, who := range slices.Sorted(maps.Keys(of)) {
		if len(of[who]) < 2 {
			continue
		}
		for _, r := range of[who][:2] {
			if err := id.Gallery.Add(who, match.Template{Model: s.model, Vector: r.embedding}); err != nil {
				return t, err
			}
		}
	}
	if err := s.strangers(&t, "real masks, to everybody enrolled", id, real, false); err != nil {
		return t, err
	}
	if id, err = s.identifier(o, len(real[0].embedding)); err != nil {
		return t, err
	}
	for _, r := range real {
		if err := id.Gallery.Add(r.labels["file"], match.Template{Model: s.model, Vector: r.embedding, Masked: true}); err != nil {
			return t, err
		}
	}
	return t, s.strangers(&t, "real masks, to each other", id, real, true)
}

// strangers adds the row of a search with each record, without what is enrolled of it.
func (s *suite) strangers(t *section, name string, id *pipeline.Identifier, rs []*record, enrolled bool) error {
	named, threshold := Rate{N: len(rs)}, math.NaN()
	templates, _ := id.Gallery.Len()
	for _, r := range rs {
		if enrolled {
			id.Gallery.Remove(r.labels["file"])
		}
		a := pipeline.Analysis{Quality: face.OK, Cover: r.cover, Embedding: r.embedding}
		found, err := id.Sighting(&a)
		if err != nil {
			return fmt.Errorf("%s: %w", r.labels["file"], err)
		}
		if enrolled {
			if err := id.Gallery.Add(r.labels["file"], match.Template{Model: s.model, Vector: r.embedding, Masked: true}); err != nil {
				return err
			}
		}
		threshold = found.Threshold.Score
		found.Liveness, found.Score = access.Live, 1
		d := new(access.Policy).Decide(access.Visit{Door: access.MainDoor, At: time.Unix(0, 0), Clock: access.ClockSynced, Seen: &found}, func(id string) (access.Person, bool) { return access.Person{ID: id}, true }, nil)
		if d.Outcome == access.Grant {
			named.K++
		}
	}
	t.add(name, templates, decimal{threshold, 1}, named)
	s.headline("Recognition behind masks: FPIR, "+name, named)
	return nil
}
