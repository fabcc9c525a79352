//go:build cgo

package imgproc

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"facegate/internal/sharedtest" // needs cgo
)

func TestDecodeWithinIsDecodeOfFaces(t *testing.T) {
	var names []string
	err := filepath.WalkDir(sharedtest.Dir(t, "faces"), func(path string, _ fs.DirEntry, err error) error {
		if ext := filepath.Ext(path); ext == ".jpg" || ext == ".png" {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	const parts = 16
	for part := range parts {
		if testing.Short() && part > 0 {
			break
		}
		t.Run(fmt.Sprint("part ", part), func(t *testing.T) {
			t.Parallel()
			for i := part; i < len(names); i += parts {
				data, err := os.ReadFile(names[i])
				if err != nil {
					t.Fatal(err)
				}
				equalDecode(t, names[i], data)
			}
		})
	}
}
