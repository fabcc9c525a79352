package main

import (
	"context"
	"fmt"
	"os"

	"facegate/internal/config"
	"facegate/models"
)

func setup(ctx context.Context, e *env, args []string) error {
	fs := e.flags("setup")
	offline := fs.Bool("offline", false, "use local files only")
	arch := fs.String("arch", "", "architecture of the runtime: amd64 or arm64")
	rest, err := parse(fs, args)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return usagef("setup takes no %q", rest[0])
	}
	home, err := config.Home(e.home)
	if err != nil {
		return err
	}
	err = models.Setup(ctx, models.Options{
		Home: home, Arch: *arch, Mirror: os.Getenv("FACEGATE_MIRROR"), Offline: *offline, Progress: e.stderr,
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "runtime and models are ready in %s\n", home)
	return nil
}
