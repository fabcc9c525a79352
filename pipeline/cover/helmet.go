package cover

import (
	"errors"

	"facegate/pipeline/face"
	"facegate/pipeline/imgproc"
	"facegate/pipeline/litert"
)

const (
	helmetScale = 1.7
	helmetUp    = .4
	helmetSide  = 128
)

// helmeter is a MobileNet that was trained on crops with and without a hard hat. Its softmax
// runs over sigmoids, so its two values lie within 0.27 and 0.73.
type helmeter struct {
	model *litert.Model
	crop  *imgproc.Image
}

func (h *helmeter) load(load litert.Loader) error {
	m, err := open(load, "helmet", helmetSide, 1)
	if err != nil {
		return err
	}
	if len(m.InputBytes(0)) != 3*helmetSide*helmetSide || len(m.OutputBytes(0)) != 2 {
		return errors.Join(errors.New("helmet does not take bytes and give two"), m.Close())
	}
	h.model, h.crop = m, imgproc.New(helmetSide, helmetSide)
	return nil
}

// score is the classifier's value for a helmet.
func (h *helmeter) score(img *imgproc.Image, d *face.Detection) (float64, error) {
	imgproc.SquareCrop(h.crop, img, d.Box, helmetScale, helmetUp)
	imgproc.FillBytes(h.model.InputBytes(0), h.crop, false)
	if err := h.model.Run(); err != nil {
		return 0, err
	}
	return float64(h.model.OutputBytes(0)[0]) / 256, nil
}
