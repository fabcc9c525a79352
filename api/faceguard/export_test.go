package faceguard

import "facegate/store"

// ExpiredPortalToken is a token that a workflow has signed and that has expired.
func ExpiredPortalToken(p store.Project) (string, error) {
	c := claims{Type: portalToken, Issuer: p.Name, ID: newID(), Expires: 1}
	return c.sign(p)
}
