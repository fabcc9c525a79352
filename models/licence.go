package models

import (
	"fmt"
	"slices"
	"time"
)

// unlicensed is why the model may not be used by a tenant on a day, or "". The last day counts.
func (e Entry) unlicensed(tenant string, day time.Time) string {
	switch {
	case len(e.LicensedTo) > 0 && !slices.Contains(e.LicensedTo, tenant):
		return fmt.Sprintf("%s: its licence is not for tenant %q", e.File, tenant)
	case e.LicensedUntil != "" && day.Format(time.DateOnly) > e.LicensedUntil:
		return fmt.Sprintf("%s: its licence ended on %s", e.File, e.LicensedUntil)
	}
	return ""
}

// Unlicensed are the roles among those given whose models a tenant may not use on a day, and why
// in words; the first result is empty where all may be used. Roles that the manifest lacks are
// passed over.
func (l *List) Unlicensed(roles []string, tenant string, day time.Time) (barred []string, because string) {
	for _, role := range roles {
		e, ok := l.Entry(role)
		if !ok {
			continue
		}
		if why := e.unlicensed(tenant, day); why != "" {
			barred = append(barred, role)
			if because != "" {
				because += "; "
			}
			because += why
		}
	}
	return barred, because
}

func (e Entry) checkLicence() error {
	if e.LicensedUntil == "" {
		return nil
	}
	if _, err := time.Parse(time.DateOnly, e.LicensedUntil); err != nil {
		return fmt.Errorf("check manifest: %s is licensed until %q, which is no day such as 2030-12-31", e.File, e.LicensedUntil)
	}
	return nil
}
