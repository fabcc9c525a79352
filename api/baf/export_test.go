package baf

import (
	"context"
	"net/http"

	"facegate/api"
	"facegate/document"
	"facegate/pipeline/imgproc"
)

type broken struct{}

func (broken) Read(context.Context, *imgproc.Image) (document.Document, error) {
	return document.Document{}, document.ErrEngine
}

// RegisterBroken is Register with a reader of documents that breaks down.
func RegisterBroken(mux *http.ServeMux, s *api.Service) { register(mux, s, broken{}) }
