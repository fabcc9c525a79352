package api

import (
	"context"
	"time"

	"facegate/access"
	"facegate/internal/logkey"
	"facegate/store"
)

// Unlock lets a call that has just found a living person to be the one that is named ask for the
// door, where its key may: the picture came at the time taken, and its look says that it was
// alive. The door's own rules decide, by the door's own search: one that finds somebody else
// opens nothing. The answer to the call does not depend on it; the audit trail has the decision.
func (s *Service) Unlock(ctx context.Context, k store.Key, person string, l *Look, taken time.Time) {
	if !k.Unlocks(s.Door) || l.Live != access.Live {
		return
	}
	seen, err := s.Judge.Sighting(l)
	if err == nil {
		seen.At = taken
		if len(seen.Matches) > 0 && seen.Matches[0].Person != person {
			seen.Matches = nil
		}
		// A caller that has gone may have been told already.
		_, err = s.Kiosk.Post(context.WithoutCancel(ctx), seen, taken, access.SourceAPI(k.Label()))
	}
	if err != nil {
		s.Log.WarnContext(ctx, "the door was not opened for a posted picture", logkey.Person, person, logkey.Error, err)
	}
}
