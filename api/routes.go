package api

import (
	"fmt"
	"net/http"
)

// Routes are the paths of one API, whose own words it has for what goes wrong.
type Routes struct {
	Mux  *http.ServeMux
	Fail func(w http.ResponseWriter, r *http.Request, err error) // answers with an error
}

// Handle registers a handler. Its panics end the call as failures of our own.
func (rs Routes) Handle(pattern string, h http.HandlerFunc) {
	rs.Mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if p := recover(); p != nil {
				rs.Fail(w, r, fmt.Errorf("panic: %v", p))
			}
		}()
		h(w, r)
	})
}

// Nothing answers whatever else is asked for below a path as not found.
func (rs Routes) Nothing(below string) {
	rs.Mux.HandleFunc(below, func(w http.ResponseWriter, r *http.Request) { rs.Fail(w, r, &Error{Code: NotFound}) })
}
