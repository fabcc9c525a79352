package config

import (
	"os"
	"path/filepath"
	"strings"
)

// InstalledHome is the home directory of an installed system.
const InstalledHome = "/var/lib/facegate"

// Home chooses the home directory: the flag's value, else FACEGATE_HOME, else var/ of the
// checkout the working directory lies in, else [InstalledHome]. It is absolute and need
// not exist.
func Home(flag string) (string, error) {
	if flag == "" {
		flag = os.Getenv("FACEGATE_HOME")
	}
	if flag != "" {
		return filepath.Abs(flag)
	}
	wd, err := os.Getwd()
	if err != nil {
		return "", err
	}
	if root, ok := checkout(wd); ok {
		return filepath.Join(root, "var"), nil
	}
	return InstalledHome, nil
}

// checkout finds the directory at or above dir that holds this module's go.mod.
func checkout(dir string) (string, bool) {
	for {
		text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil {
			first, _, _ := strings.Cut(string(text), "\n")
			return dir, strings.TrimSpace(first) == "module facegate"
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", false
		}
		dir = parent
	}
}
