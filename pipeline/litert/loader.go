package litert

// A Loader opens the model that plays a role in the pipeline ("detect_short", "mesh"; the
// roles are those of the manifest in package models). The caller closes what it got.
type Loader func(role string) (*Model, error)
