package litert_test

import (
	"testing"

	"facegate/internal/sharedtest"
	"facegate/models"
	"facegate/pipeline/litert"
)

func BenchmarkRun(b *testing.B) {
	rt := sharedtest.Runtime(b)
	for _, e := range models.Manifest().Entries {
		if e.Kind != models.KindModel {
			continue
		}
		data, _ := modelBytes(b, e.Role)
		b.Run(e.Role, func(b *testing.B) {
			m := loadModel(b, rt, data, litert.Options{})
			fill(m, e)
			b.ReportAllocs()
			for b.Loop() {
				if err := m.Run(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkOverhead is what Run adds to the library's call: the model computes next to
// nothing, and the check of the outputs is measured at the size of the largest.
func BenchmarkOverhead(b *testing.B) {
	rt := sharedtest.Runtime(b)
	m := loadModel(b, rt, doubler(b), litert.Options{})
	b.Run("library", func(b *testing.B) {
		for b.Loop() {
			if s := m.Invoke(); s != 0 {
				b.Fatal(s)
			}
		}
	})
	b.Run("run", func(b *testing.B) {
		for b.Loop() {
			if err := m.Run(); err != nil {
				b.Fatal(err)
			}
		}
	})
	out := make([]float32, 2304*17)
	b.Run("check", func(b *testing.B) {
		for b.Loop() {
			if !litert.Finite(out) {
				b.Fatal("not finite")
			}
		}
	})
}

func BenchmarkLoad(b *testing.B) {
	rt := sharedtest.Runtime(b)
	for _, role := range []string{"detect_short", "embed_foamliu", "parsing"} {
		data, _ := modelBytes(b, role)
		b.Run(role, func(b *testing.B) {
			for b.Loop() {
				m, err := rt.Load(data, litert.Spec{}, litert.Options{})
				if err != nil {
					b.Fatal(err)
				}
				if err := m.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
