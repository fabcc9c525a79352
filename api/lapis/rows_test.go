package lapis

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"facegate/api"
	"facegate/api/apitest"
	"facegate/pipeline/face"
	"facegate/store"
)

// What a posted face shows beside the person is not judged here: it is compared as it is, the
// largest in the middle of several.
func TestFaceAsItIs(t *testing.T) {
	s := newSite(t, apitest.Options{})
	f := s.faces
	id := s.identified(t, f.Card())
	for _, tt := range []struct {
		name    string
		picture []byte
		alike   bool // is like the portrait of A
	}{
		{"spoof", f.Spoof(), true},
		{"small", f.Small(), true},
		{"close", f.Close(), true},
		{"near the border", f.Border(), true},
		{"cropped", f.Cut(), true},
		{"dark", f.Dark(), true},
		{"bright", f.Bright(), true},
		{"PNG", f.PNG(), true},
		{"on its side", f.Turned(), true},
		{"A, and B beside", f.Beside(f.A2(), f.B1()), true},
		{"B, and A beside", f.Beside(f.B1(), f.A2()), false},
		{"blurred", f.Blur(), false}, // too much to be like anybody
		{"several others", f.Many(), false},
		{"another, turned by 31", f.Turn30(), false},
		{"another, turned by 63", f.Turn50(), false},
		{"another, occluded", f.Occluded(), false},
		{"another, eyes closed", f.Closed(), false},
	} {
		status, want := 400, goldenMismatch
		if tt.alike {
			status, want = 200, goldenMatch
		}
		t.Run(tt.name, func(t *testing.T) {
			s.Service.Keys = api.NewKeys(s.DB) // it has not seen the five tries of a minute
			got := s.post(t, "face-authentication", fields{"faceImageBase64": b64(tt.picture), "documentIdentificationId": id, "unknown": []int{1}})
			apitest.Golden(t, got, status, jsonType, want)
		})
	}
	for name, picture := range map[string][]byte{
		"a pixel": f.OnePixel(), "huge": f.Huge(), "CMYK": f.CMYK(), "16 bits": f.Sixteen(), "WebP": f.WebP(), "TIFF": f.TIFF(), "HEIC": f.HEIC(), "cut": f.Short(),
		"a row too many": f.Over(), "a column too few": f.Thin(),
	} {
		t.Run(name, func(t *testing.T) { // before the id is looked at
			apitest.Golden(t, s.post(t, "face-authentication", fields{"faceImageBase64": b64(picture), "documentIdentificationId": newUUID()}), 400, jsonType, goldenBase64)
		})
	}
	for _, e := range s.Events(t) {
		if e.Data["call"] == "face-authentication" && (!strings.HasPrefix(e.Source, "api:") || e.Data["api"] != "lapis" || e.Data["result"] == "" || e.Scores.Match != nil) {
			t.Errorf("the trail says %s", e.Line())
		}
	}
	if n := s.Door.Unlocked(); n != 0 {
		t.Errorf("the door was opened %d times", n)
	}
}

// How a face is held, covered and taken is not judged either: it is like its own portrait.
func TestFaceLikeItsPortrait(t *testing.T) {
	s := newSite(t, apitest.Options{})
	f := s.faces
	for _, tt := range []struct {
		name              string
		picture, portrait []byte
		quality           face.Quality // what the judge says of the picture
	}{
		{"ahead", f.Front(), f.Front(), face.OK},
		{"turned by 31", f.Turn30(), f.Turn30(), face.OK},
		{"turned by 63", f.Turn50(), f.Front(), face.Angle},
		{"occluded", f.Occluded(), f.Occluded(), face.Occluded},
		{"eyes closed", f.Closed(), f.Closed(), face.EyesClosed},
		{"blurred", f.Blur(), f.Blur(), face.Blurred},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := s.Look(t, tt.picture).Quality; got != tt.quality {
				t.Fatalf("the picture is %s, want %s", got, tt.quality)
			}
			id := s.identified(t, f.CardOf(tt.portrait))
			apitest.Golden(t, s.post(t, "face-authentication", fields{"faceImageBase64": b64(tt.picture), "documentIdentificationId": id}), 200, jsonType, goldenMatch)
		})
	}
}

// A project of which nothing was said demands 0.8, and says how like a face is to three decimals.
func TestDefaultThreshold(t *testing.T) {
	s := newSite(t, apitest.Options{})
	portrait := s.Look(t, s.faces.Card()).Template
	for _, tt := range []struct {
		share     float64 // of another person
		low, high float64 // limits of the similarity
	}{{.6, .8, .82}, {.62, .78, .8}} {
		picture := s.faces.Mixed(tt.share)
		similarity, err := s.Judge.Compare(s.Look(t, picture).Template, portrait)
		if err != nil || similarity < tt.low || similarity >= tt.high {
			t.Fatalf("the similarity of %v is %v, %v, want one in [%v, %v)", tt.share, similarity, err, tt.low, tt.high)
		}
		status, want := 200, fmt.Sprintf(`{"score":0.%03d}`, int(1000*similarity))
		if tt.high <= .8 {
			status, want = 400, goldenMismatch
		}
		got := s.post(t, "face-authentication", fields{"faceImageBase64": b64(picture), "documentIdentificationId": s.identified(t, s.faces.Card())})
		apitest.Golden(t, got, status, jsonType, want)
	}
}

// A face that no template can be made of is not the document's.
func TestFaceWithoutTemplate(t *testing.T) {
	whole := newSite(t, apitest.Options{})
	portrait := newTemplate(whole.Look(t, whole.faces.A1()).Template)
	for _, role := range []string{"mesh", "embed_foamliu"} {
		s := newSite(t, apitest.Options{Broken: []string{role}})
		text, err := json.Marshal(session{Portrait: &portrait})
		if err != nil {
			t.Fatal(err)
		}
		id := newUUID()
		s.Update(t, func(tx *store.Tx) error {
			return tx.PutRecord(store.Record{Kind: kindSession, ID: id, Owner: "project mine", Face: true, Expires: tx.Now().Add(time.Hour), Body: text})
		})
		apitest.Golden(t, s.post(t, "face-authentication", fields{"faceImageBase64": b64(s.faces.A2()), "documentIdentificationId": id}), 400, jsonType, goldenMismatch)
	}
}

// What documents of every kind say, and what is absent because they do not.
func TestDocumentKinds(t *testing.T) {
	s := newSite(t, apitest.Options{})
	f := s.faces
	for _, tt := range []struct {
		name string
		file []byte
		want string
	}{
		{"TD1", f.Card(), info1},
		{"TD2", f.Specimen("pe_100_pass2-uto.jpg"), `{"documentNumber":"D23145890","firstName":"ANNA MARIA","lastName":"ERIKSSON","fullName":"ANNA MARIA ERIKSSON","age":"<age 1974-08-12>","dob":"1974/08/12",
			"dob_day":12,"dob_month":8,"dob_year":1974,"expiry":"2012/04/15","expiry_day":15,"expiry_month":4,"expiry_year":2012,"daysToExpiry":"<to 2012-04-15>","documentType":"I",
			"documentSide":"FRONT","issueAuthority":"UTO"}`},
		{"TD3", f.Specimen("pe_100_pass-hrv.jpg"), `{"documentNumber":"007007007","firstName":"SPECIMEN","lastName":"SPECIMEN","fullName":"SPECIMEN SPECIMEN","age":"<age 1982-12-25>","dob":"1982/12/25",
			"dob_day":25,"dob_month":12,"dob_year":1982,"expiry":"2014/07/01","expiry_day":1,"expiry_month":7,"expiry_year":2014,"daysToExpiry":"<to 2014-07-01>","documentType":"P",
			"documentSide":"FRONT","issueAuthority":"HRV","issuerOrg_full":"Croatia","issuerOrg_iso2":"HR","issuerOrg_iso3":"HRV","nationality_full":"Croatia","nationality_iso2":"HR","nationality_iso3":"HRV"}`},
		{"MRV-A", f.Specimen("ar_visas_USA.jpg"), `{"documentNumber":"123456789","firstName":"HAPPY","lastName":"TRAVELER","fullName":"HAPPY TRAVELER","age":"<age 1966-12-12>","dob":"1966/12/12",
			"dob_day":12,"dob_month":12,"dob_year":1966,"expiry":"2014/07/28","expiry_day":28,"expiry_month":7,"expiry_year":2014,"daysToExpiry":"<to 2014-07-28>","documentType":"V",
			"documentSide":"FRONT","issueAuthority":"USA","issuerOrg_full":"United States","issuerOrg_iso2":"US","issuerOrg_iso3":"USA","nationality_full":"Canada","nationality_iso2":"CA","nationality_iso3":"CAN"}`},
		{"MRV-B", f.Specimen("pe_100_visa-polx.jpg"), `{"documentNumber":"PL0000000","firstName":"BEATA","lastName":"KOWALSKA KWIATKOWSKA","fullName":"BEATA KOWALSKA KWIATKOWSKA","age":"<age 1960-02-08>","dob":"1960/02/08",
			"dob_day":8,"dob_month":2,"dob_year":1960,"expiry":"2005/05/01","expiry_day":1,"expiry_month":5,"expiry_year":2005,"daysToExpiry":"<to 2005-05-01>","documentType":"V",
			"documentSide":"FRONT","issueAuthority":"POL","issuerOrg_full":"Poland","issuerOrg_iso2":"PL","issuerOrg_iso3":"POL","nationality_full":"Poland","nationality_iso2":"PL","nationality_iso3":"POL"}`},
		{"PDF417", f.Licence(), `{"documentNumber":"12345678","firstName":"JOHN","middleName":"MIDDLE","lastName":"SAMPLE","fullName":"JOHN MIDDLE SAMPLE","age":"<age 1999-01-12>","dob":"1999/01/12",
			"dob_day":12,"dob_month":1,"dob_year":1999,"expiry":"2040/01/12","expiry_day":12,"expiry_month":1,"expiry_year":2040,"daysToExpiry":"<to 2040-01-12>",
			"issued":"2020/12/30","issued_day":30,"issued_month":12,"issued_year":2020,"daysFromIssue":"<since 2020-12-30>","address1":"111 N 5TH ST, COLUMBUS, OH 12345-6789","documentType":"D",
			"documentSide":"FRONT","issueAuthority":"OH","issuerOrg_full":"United States","issuerOrg_iso2":"US","issuerOrg_iso3":"USA"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := s.post(t, "document-identification", fields{"frontImageBase64": b64(tt.file)})
			s.golden(t, got, 200, jsonType, `{"documentIdentificationId":"<uuid>","idInformation":`+tt.want+`}`)
		})
	}
	// Nothing is counted from a day that nobody is sure of.
	s.Clock.SetUnsure(true)
	got := s.post(t, "document-identification", fields{"frontImageBase64": b64(f.Licence())})
	apitest.Golden(t, got, 200, jsonType, `{"documentIdentificationId":"<uuid>","idInformation":{"documentNumber":"12345678","firstName":"JOHN","middleName":"MIDDLE","lastName":"SAMPLE",
		"fullName":"JOHN MIDDLE SAMPLE","dob":"1999/01/12","dob_day":12,"dob_month":1,"dob_year":1999,"expiry":"2040/01/12","expiry_day":12,"expiry_month":1,"expiry_year":2040,
		"issued":"2020/12/30","issued_day":30,"issued_month":12,"issued_year":2020,"address1":"111 N 5TH ST, COLUMBUS, OH 12345-6789","documentType":"D",
		"documentSide":"FRONT","issueAuthority":"OH","issuerOrg_full":"United States","issuerOrg_iso2":"US","issuerOrg_iso3":"USA"}}`)
}

// A document's time ends, a project has a threshold of its own, and a request that is accepted by
// the other path is a person.
func TestTimeAndThreshold(t *testing.T) {
	s := newSite(t, apitest.Options{})
	f := s.faces
	id := s.identified(t, f.Card())
	s.Expire(t, kindSession, "project mine")
	face := fields{"faceImageBase64": b64(f.A2()), "documentIdentificationId": id}
	apitest.Golden(t, s.post(t, "face-authentication", face), 400, jsonType, goldenNoID)

	similarity, err := s.Judge.Compare(s.Look(t, f.A2()).Template, s.Look(t, f.Card()).Template)
	if err != nil {
		t.Fatal(err)
	}
	for least, want := range map[float64]string{similarity - .001: goldenMatch, similarity + .001: goldenMismatch} {
		s.Update(t, func(tx *store.Tx) error {
			_, err := tx.SetProject(store.Project{API: store.APILapis, Name: "mine", Settings: []byte(fmt.Sprintf(`{"similarity":%v}`, least))})
			return err
		})
		face["documentIdentificationId"] = s.identified(t, f.Card())
		status := 200
		if want == goldenMismatch {
			status = 400
		}
		apitest.Golden(t, s.post(t, "face-authentication", face), status, jsonType, want)
	}
	s.Update(t, func(tx *store.Tx) error {
		_, err := tx.SetProject(store.Project{API: store.APILapis, Name: "mine", Settings: []byte(`{}`)})
		return err
	})
	face["documentIdentificationId"] = s.identified(t, f.Card())
	apitest.Golden(t, s.post(t, "face-authentication", face), 200, jsonType, goldenMatch)
	apitest.Golden(t, s.post(t, "kyc-request", fields{"email": "a@example.org", "phoneNumber": "+491511234567", "documentIdentificationId": face["documentIdentificationId"]}),
		201, jsonType, `{"message":"Request submitted"}`)
	var all struct {
		Requests []struct {
			ID    string  `json:"id"`
			Match float64 `json:"faceMatch"`
		} `json:"requests"`
	}
	if err := json.Unmarshal(s.call(t, "GET", "/api/kyc-request", mine, nil).Body, &all); err != nil || len(all.Requests) != 1 || all.Requests[0].Match < .8 {
		t.Fatalf("%+v, %v", all, err)
	}
	apitest.Golden(t, s.call(t, "PUT", "/api/accept", mine, fields{"id": all.Requests[0].ID}), 200, jsonType, `{"message":"Kyc request accepted"}`)
	if _, err := s.DB.Person(t.Context(), all.Requests[0].ID); err != nil {
		t.Error(err)
	}
	for _, path := range []string{"liveliness-verification", "accept-request"} {
		apitest.Golden(t, s.post(t, path, []byte(`{"id":`)), 400, jsonType, goldenBody)
	}
	apitest.Golden(t, s.call(t, "DELETE", "/api/delete-request", mine, []byte(`{"id":7}`)), 400, jsonType, goldenBody)
}

// A document's last day ends where the site is.
func TestLastDay(t *testing.T) {
	s := newSite(t, apitest.Options{})
	west, east := "Pacific/Pago_Pago", "Pacific/Kiritimati" // 25 hours apart
	zone, err := time.LoadLocation(west)
	if err != nil {
		t.Fatal(err)
	}
	card := b64(s.faces.CardUntil(time.Now().In(zone)))
	for name, days := range map[string]string{west: `"daysToExpiry":0`, east: `"daysToExpiry":-`} {
		s.Rules(t, "time_zone = \""+name+"\"\n[doors.main]\n")
		if got := s.post(t, "document-identification", fields{"frontImageBase64": card}); !strings.Contains(string(got.Body), days) {
			t.Errorf("%s: %s", name, got.Body)
		}
	}
}

// What is shown is cut off and not rounded.
func TestScoresAreCut(t *testing.T) {
	for x, want := range map[score]string{.8: "0.800", .7999999: "0.799", 1: "1.000", 0: "0.000", .9085: "0.908"} {
		if b, err := json.Marshal(x); err != nil || string(b) != want {
			t.Errorf("%v is shown as %s, want %s", float64(x), b, want)
		}
	}
}
