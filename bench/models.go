package bench

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"

	"facegate/models"
	"facegate/pipeline/litert"
)

// models times one Run of every model of the manifest on random pixels. The answers are a
// checksum of what came out; that of the first run must be that of the last.
func (b *bench) models(ctx context.Context) error {
	for _, e := range b.List.Entries {
		if e.Kind != models.KindModel {
			continue
		}
		if err := b.model(ctx, e); err != nil {
			return fmt.Errorf("%s: %w", e.Role, err)
		}
	}
	return nil
}

func (b *bench) model(ctx context.Context, e models.Entry) (err error) {
	m, err := b.Load(e.Role)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	r := rand.New(rand.NewPCG(7, 8))
	for i := range m.Inputs() {
		for k := range m.Input(i) {
			// Channels alternate: the input is packed.
			m.Input(i)[k] = (float32(r.IntN(256)) - e.Mean[k%3]) / e.Deviation[k%3]
		}
		for k := range m.InputBytes(i) {
			m.InputBytes(i)[k] = byte(r.IntN(256))
		}
	}
	if err := m.Run(); err != nil {
		return err
	}
	first := checksum(m)
	s, err := timed(ctx, b.Runs, 1, m.Run)
	if err != nil {
		return err
	}
	b.row(e.Role, s, fmt.Sprintf("%08x", first), checksum(m) == first)
	return nil
}

// checksum is one of all outputs.
func checksum(m *litert.Model) uint32 {
	h := fnv.New32a()
	for i := range m.Outputs() {
		for _, x := range m.Output(i) {
			v := math.Float32bits(x)
			h.Write([]byte{byte(v), byte(v >> 8), byte(v >> 16), byte(v >> 24)}) //nolint:errcheck // a hash takes everything
		}
		h.Write(m.OutputBytes(i)) //nolint:errcheck // the same
		for _, v := range m.OutputInt64(i) {
			fmt.Fprintf(h, "%d,", v)
		}
	}
	return h.Sum32()
}
