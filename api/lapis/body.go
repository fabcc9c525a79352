package lapis

import "facegate/api"

// Limits of bodies. A body that has room for the largest text holds three pictures as well.
const (
	maxText  = 30 << 20         // characters of base64
	maxBody  = maxText + 64<<10 // bytes
	maxMedia = maxText / 4 * 3  // bytes of a picture or video
	maxPlain = 256              // bytes of an email address or telephone number
)

// read reads the body of a call.
func (c *call) read() (err error) {
	c.body, c.leave, err = c.ReadObject(c.request, maxBody)
	return err
}

// id is an id of the body. A text that is too long to be one is one that there is not.
func (c *call) id(text api.Long) string {
	if id, short := c.body.Short(text); short {
		return id
	}
	return "unknown"
}
