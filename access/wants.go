package access

// Wants reports whether a door ever asks about masks or about helmets: what nobody asks need
// not be looked at.
func (p *Policy) Wants(door string) (mask, helmet bool) {
	if p == nil || p.doors[door] == nil {
		return false, false
	}
	for _, x := range p.doors[door].situations() {
		mask = mask || x.Mask != "" && x.Mask != CoverOff || x.MaskedScore > 0
		helmet = helmet || x.Helmet != "" && x.Helmet != CoverOff
	}
	return mask, helmet
}
