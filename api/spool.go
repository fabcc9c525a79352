package api

import (
	"errors"
	"io"
)

// A Spool holds the parts of one body, one behind the other, in memory that is asked for once.
type Spool struct{ free []byte }

// NewSpool returns a Spool with room for n bytes; memory that nothing is written to costs
// nothing.
func NewSpool(n int64) *Spool { return &Spool{make([]byte, n)} }

// Read is all of r. The error is an [*Error] of code TooLarge where there is no room for it, or
// r's own, io.ErrUnexpectedEOF too: a part that was cut short is none.
func (s *Spool) Read(r io.Reader) ([]byte, error) {
	n := 0
	for {
		to := s.free[n:]
		if len(to) == 0 {
			to = make([]byte, 1) // nothing fits any more, but it may have ended
		}
		got, err := r.Read(to)
		if n += got; n > len(s.free) {
			return nil, &Error{Code: TooLarge}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	data := s.free[:n:n]
	s.free = s.free[n:]
	return data, nil
}
