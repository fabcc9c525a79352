package face_test

import (
	"testing"

	"facegate/internal/sharedtest"
	"facegate/pipeline/face"
	"facegate/pipeline/face/facetest"
)

// BenchmarkStages times each stage on one press picture.
func BenchmarkStages(b *testing.B) {
	load := sharedtest.Loader(b)
	k := facetest.NewLooker(b, load).Look(b, facetest.Rows(b, "lfw", 1)[0])
	detector, err := face.NewDetector(load)
	if err != nil {
		b.Fatal(err)
	}
	mesher, err := face.NewMesher(load)
	if err != nil {
		b.Fatal(err)
	}
	eyes, err := face.NewEyes(load)
	if err != nil {
		b.Fatal(err)
	}
	var meter face.Meter
	var mesh face.Mesh
	for name, stage := range map[string]func() error{
		"short":   func() error { _, err := detector.Detect(&k.Picture); return err },
		"full":    func() error { _, err := detector.DetectFull(&k.Picture); return err },
		"mesh":    func() error { return mesher.Fit(k.Image, k.Face, &mesh) },
		"eyes":    func() error { _, err := eyes.Open(k.Image, &k.Mesh); return err },
		"surface": func() error { meter.Measure(k.Image, &k.Mesh); return nil },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := stage(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
