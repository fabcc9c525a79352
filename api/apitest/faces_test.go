package apitest_test

import (
	"net/http"
	"testing"

	"facegate/access"
	"facegate/api"
	"facegate/api/apitest"
	"facegate/pipeline/face"
)

// nothing is an API without routes.
func nothing(*http.ServeMux, *api.Service) {}

// Every picture shows the pipeline what its name says.
func TestFaces(t *testing.T) {
	f := apitest.NewFaces(t)
	s := apitest.New(t, nothing, apitest.Options{})
	for _, tt := range []struct {
		name    string
		picture []byte
		quality face.Quality
		live    access.Liveness
		fault   api.Fault
	}{
		{"A1", f.A1(), face.OK, access.Live, 0},
		{"A2", f.A2(), face.OK, access.Live, 0},
		{"A3", f.A3(), face.OK, access.Live, 0},
		{"A4", f.A4(), face.OK, access.Live, 0},
		{"PNG", f.PNG(), face.OK, access.Live, 0},
		{"B1", f.B1(), face.OK, access.Live, 0},
		{"B2", f.B2(), face.OK, access.Live, 0},
		{"Spoof", f.Spoof(), face.OK, access.Spoof, 0},
		{"None", f.None(), face.NoFace, 0, 0},
		{"Many", f.Many(), face.SeveralFaces, 0, 0},
		{"Closed", f.Closed(), face.EyesClosed, 0, 0},
		{"Occluded", f.Occluded(), face.Occluded, 0, 0},
		{"Masked", f.Masked(), face.OK, access.Live, 0},
		{"Bare", f.Bare(), face.OK, access.Spoof, 0}, // a false alarm of passive liveness
		{"Helmet", f.Helmet(), face.OK, access.Live, 0},
		{"Front", f.Front(), face.OK, access.Live, 0},
		{"Turn30", f.Turn30(), face.OK, access.Live, 0},
		{"Turn50", f.Turn50(), face.Angle, 0, 0},
		{"Small", f.Small(), face.TooSmall, 0, 0},
		{"Close", f.Close(), face.TooClose, 0, 0},
		{"Border", f.Border(), face.NearBorder, 0, 0},
		{"Cut", f.Cut(), face.Cropped, 0, 0},
		{"Blur", f.Blur(), face.Blurred, 0, 0},
		{"Dark", f.Dark(), face.Dark, 0, 0},
		{"Junk", f.Junk(), face.ImageError, 0, api.Undecodable},
		{"Short", f.Short(), face.ImageError, 0, api.Undecodable},
		{"GIF", f.GIF(), face.ImageError, 0, api.Undecodable},
		{"OnePixel", f.OnePixel(), face.ImageError, 0, api.Unusable},
		{"Huge", f.Huge(), face.ImageError, 0, api.Unusable},
		{"CMYK", f.CMYK(), face.ImageError, 0, api.Unusable},
		{"Sixteen", f.Sixteen(), face.ImageError, 0, api.Unusable},
	} {
		l := s.Look(t, tt.picture)
		if l.Quality != tt.quality || l.Live != tt.live || l.Fault != tt.fault || l.Failed != 0 {
			t.Errorf("%s: quality %s, liveness %v (%.3f), fault %v, failed %b; want %s, %v, %v and none", tt.name, l.Quality, l.Live, l.LiveScore, l.Fault, l.Failed, tt.quality, tt.live, tt.fault)
		}
		t.Logf("%s: %s, live %.3f, yaw %.0f, box %.0f of %dx%d", tt.name, l.Quality, l.LiveScore, l.Yaw, l.Box, l.Width, l.Height)
	}
}
