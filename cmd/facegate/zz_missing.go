package main

import (
	"context"

	"facegate/kiosk"
	"facegate/pipeline"
)

func doctor(context.Context, *env, []string) error { return nil }
func bench(context.Context, *env, []string) error  { return nil }

func analyseSequence(*env, *pipeline.Analyser, string) error                    { return nil }
func (e *env) enrolCamera(context.Context, *kiosk.Enroller, string, bool) error { return nil }
