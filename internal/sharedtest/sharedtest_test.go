package sharedtest_test

import (
	"testing"

	"facegate/internal/sharedtest"
	"facegate/models"
)

func TestLoaderOpensEveryRole(t *testing.T) {
	load := sharedtest.Loader(t)
	for _, e := range models.Manifest().Entries {
		if e.Kind != models.KindModel {
			continue
		}
		m, err := load(e.Role)
		if err != nil {
			t.Errorf("%s: %v", e.Role, err)
			continue
		}
		if err := m.Run(); err != nil {
			t.Errorf("run %s: %v", e.Role, err)
		}
	}
}
