package api

import "time"

// Call counts a call by the holder of a token that stands for a key, at the rate of keys; the
// token is named by its public id. The error is an [*Error] of code TooMany.
func (k *Keys) Call(token string, now time.Time) error {
	if wait := k.take("token "+token, keyRate(), now); wait > 0 {
		return &Error{Code: TooMany, RetryAfter: wait}
	}
	return nil
}
