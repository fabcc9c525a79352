// Package judge looks at pictures that were posted, with the pipeline that looks at the
// camera's: there is no second path from pixels to facts.
//
// A [Judge] is a task with one worker, so that one picture at a time is decoded and looked at.
// The worker's thread runs below the camera's priority and, where it is told to, waits while
// somebody stands before the lens. Who has to wait longer than the deadline, or finds the line
// full, is told so.
//
// A posted picture is judged at level passive. It is refused before its pixels are decoded
// where it is too large, or of a kind whose colours are guesswork. A stage that fails is said to
// have failed and nothing that rests on it is taken as good.
package judge
