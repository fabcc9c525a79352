package facephi

import (
	"context"

	"facegate/access"
	"facegate/api"
	"facegate/pipeline/face"
)

// Liveness codes. 1 and 2 are deprecated and never sent.
const (
	livenessNone       = 0
	livenessLive       = 3
	livenessQuality    = 4
	livenessTooClose   = 5
	livenessNotFound   = 6
	livenessTooSmall   = 7
	livenessAngle      = 8
	livenessImageData  = 9
	livenessInternal   = 10
	livenessPreprocess = 11
	livenessTooMany    = 12
	livenessNearBorder = 13
	livenessCropped    = 14
	livenessLicence    = 15
	livenessOccluded   = 16
	livenessNoLive     = 17
	livenessEyesClosed = 18
)

// liveness is the code for what a picture shows.
func liveness(l *api.Look) int {
	switch {
	case l.Fault == api.Undecodable:
		return livenessImageData
	case l.Fault == api.Unusable:
		return livenessPreprocess
	case l.Failed&api.StageDetect != 0:
		return livenessInternal
	case l.Failed&api.StageLandmarks != 0 && l.Quality == face.ImageError:
		return livenessPreprocess // there is a face that cannot be aligned
	}
	switch l.Quality {
	case face.OK:
	case face.NoFace:
		return livenessNotFound
	case face.SeveralFaces:
		return livenessTooMany
	case face.TooSmall:
		return livenessTooSmall
	case face.TooClose:
		return livenessTooClose
	case face.Cropped:
		return livenessCropped
	case face.NearBorder:
		return livenessNearBorder
	case face.Angle:
		return livenessAngle
	case face.Dark, face.Bright, face.Blurred:
		return livenessQuality
	case face.Occluded:
		return livenessOccluded
	case face.EyesClosed:
		return livenessEyesClosed
	default:
		return livenessInternal // a stage failed that the quality rests on
	}
	switch l.Live {
	case access.Live:
		return livenessLive
	case access.Spoof:
		return livenessNoLive
	}
	if l.Unlicensed&api.StageLiveness != 0 {
		return livenessLicence
	}
	return livenessInternal
}

// livenessName is the Result of a code, in the published words.
func livenessName(code int) string {
	return [...]string{
		"None", "", "", "Live", "NoneBecauseBadQuality", "NoneBecauseFaceTooClose", "NoneBecauseFaceNotFound",
		"NoneBecauseFaceTooSmall", "NoneBecauseAngleTooLarge", "NoneBecauseImageDataError", "NoneBecauseInternalError",
		"NoneBecauseImagePreprocessError", "NoneBecauseTooManyFaces", "NoneBecauseFaceTooCloseToBorder",
		"NoneBecauseFaceCropped", "NoneBecauseLicenseError", "NoneBecauseFaceOccluded", "NoLive", "NoneBecauseEyesClosed",
	}[code]
}

// evaluateLiveness is evaluatePassiveLiveness.
func (c *call) evaluateLiveness(ctx context.Context, f fields) (*answer, error) {
	errs := f.missing("imageBuffer")
	if len(errs) > 0 {
		return nil, badRequest(api.Missing, errs...)
	}
	picture := f.bytes("imageBuffer", &errs)
	if len(errs) > 0 {
		return nil, badRequest(api.Malformed, errs...)
	}
	l, err := c.Judge.Look(ctx, picture, api.WantLiveness|api.WantQuality)
	if err != nil {
		return nil, err
	}
	code := liveness(l)
	if code == livenessLive || code == livenessNoLive {
		c.scores.Liveness = fraction(l.LiveScore)
	}
	return &answer{Log: livenessName(code), Liveness: &code}, nil
}
