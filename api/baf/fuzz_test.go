package baf

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"facegate/api"
)

// Whatever a body holds, it is decoded or refused.
func FuzzValidation(f *testing.F) {
	f.Add([]byte(`{"model":{"faceImageBase64":"AA==","frontImageBase64":null,"documentType":10},"applicantId":"a","endeavorId":"b"}`))
	f.Add([]byte(`{"model":{"documentType":"10"}}`))
	f.Add([]byte(`{"model":[[[[[`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var in validationRequest
		c := &call{}
		var err error
		if c.object, err = api.NewObject(body); err != nil || c.object.Decode(&in) != nil {
			return
		}
		if in.Model.FaceImage != nil {
			_, _ = c.object.Base64(*in.Model.FaceImage, api.MaxBody) // only that it ends
		}
		_, _ = c.front(&in)
	})
}

// What is accepted of an applicant can be kept and is found again as it was.
func FuzzApplicant(f *testing.F) {
	f.Add([]byte(`{"firstName":"Ann","metadata":{"additionalProp1":"v"},"status":1}`))
	f.Add([]byte(`{"status":-1}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var a, again applicant
		if api.Decode(body, &a.applicantRequest) != nil || a.check() != nil {
			return
		}
		kept, err := json.Marshal(a)
		if err == nil {
			err = json.Unmarshal(kept, &again)
		}
		if d := cmp.Diff(a, again, cmp.AllowUnexported(applicant{}), cmpopts.EquateEmpty()); d != "" || err != nil {
			t.Errorf("%s is found again as (-kept +found): %v\n%s", kept, err, d)
		}
		if name := a.name(); len(name) > 256 {
			t.Errorf("a name of %d bytes", len(name))
		}
	})
}
