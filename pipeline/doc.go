// Package pipeline turns frames into sightings: what is known of the person before the lens
// when that suffices for a decision.
//
// An [Analyser] holds the models and looks into single pictures. A [Pipeline] feeds it a
// camera's frames, follows one person from frame to frame as a track, lets the frames vote,
// asks for liveness at the level of the site, and gives one [facegate/access.Sighting] a
// track. It decides nothing: that is the policy's.
//
// Everything runs in one goroutine, a straight line without queues; a [Mailbox] between the
// camera and the pipeline keeps the newest frame only. Nothing is stored, and no similarity
// leaves the package when liveness failed. Failure of a stage denies: a score that is not
// there never counts for the person.
package pipeline
