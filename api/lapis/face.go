package lapis

import (
	"errors"
	"time"

	"facegate/api"
	"facegate/pipeline/face"
	"facegate/pipeline/imgproc"
)

// errMismatch is said of every face that is not the document's.
func errMismatch() error { return refuse("Face match verification FAILED!") }

// face answers step 2. Nobody looks whether the face is alive, so the audit trail gets no score.
func (c *call) face() (answer, error) {
	var in struct {
		URL    api.Long `json:"faceImage"`
		Base64 api.Long `json:"faceImageBase64"`
		ID     api.Long `json:"documentIdentificationId"`
	}
	if err := c.body.Decode(&in); err != nil {
		return answer{}, err
	}
	words := mediaWords{
		url: "invalid face image provided", base64: "invalid base64 front image provided", both: "only one face image is accepted!", limit: api.MaxBody,
	}
	picture, err := c.media(in.URL, in.Base64, words)
	if err != nil {
		return answer{}, err
	}
	unreadable := words.base64
	if in.Base64 == "" && !isDataURL(c.body.Text(in.URL)) {
		unreadable = words.url
	}
	if _, ok := imgproc.Header(picture); !ok {
		return answer{}, refuse(unreadable)
	}
	l, err := c.Judge.Look(c.ctx(), picture, api.WantTemplate|api.WantQuality)
	if err != nil {
		return answer{}, err
	}
	if l.Fault != api.NoFault {
		return answer{}, refuse(unreadable)
	}
	id := c.id(in.ID)
	s, err := c.load(id)
	if err != nil {
		return answer{}, err
	}
	if err := c.Keys.TryOther("document "+id, time.Now()); err != nil {
		return answer{}, err
	}
	switch {
	case l.Failed&api.StageDetect != 0:
		return answer{}, errors.New("no faces can be looked for")
	case l.Quality == face.NoFace, l.Template.Vector == nil, s.Portrait == nil:
		return answer{}, errMismatch()
	}
	similarity, err := c.Judge.Compare(l.Template, s.Portrait.api())
	if err != nil {
		return answer{}, err
	}
	if !(similarity >= c.settings.Similarity) {
		return answer{}, errMismatch()
	}
	if err := c.change(id, func(s *session) { s.Face = newSeen(l, similarity) }); err != nil {
		return answer{}, err
	}
	return ok(map[string]score{"score": score(similarity)})
}

func isDataURL(text []byte) bool { return len(text) > 5 && string(text[:5]) == "data:" }
