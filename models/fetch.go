package models

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// stall ends a download that delivers nothing for so long.
const stall = 30 * time.Second

// download stages e from url. A broken download stays as .part and is resumed by the next
// attempt; a complete one with the wrong hash is thrown away.
func (s *setup) download(ctx context.Context, url string, e Entry) error {
	part := s.staged(e) + ".part"
	resumed, err := s.transfer(ctx, url, part, e)
	if err != nil {
		return err
	}
	if err = verifyFile(part, e.SHA256, e.Bytes); err != nil && resumed {
		// The first half may have come from elsewhere: once more from the start.
		if err := os.Remove(part); err != nil {
			return err
		}
		if _, err := s.transfer(ctx, url, part, e); err != nil {
			return err
		}
		err = verifyFile(part, e.SHA256, e.Bytes)
	}
	if err != nil {
		return errors.Join(err, os.Remove(part))
	}
	return os.Rename(part, s.staged(e))
}

// transfer appends to part what is lacking of url, never more than e.Bytes in all, and
// reports whether it built on an earlier part.
func (s *setup) transfer(ctx context.Context, url, part string, e Entry) (resumed bool, err error) {
	f, err := os.OpenFile(part, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, f.Sync(), f.Close()) }()
	have, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return false, err
	}
	if have >= e.Bytes {
		return true, nil // the caller verifies
	}

	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watchdog := time.AfterFunc(stall, func() { cancel(errors.New("no data for " + stall.String())) })
	defer watchdog.Stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false, err
	}
	if have > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", have))
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false, cause(ctx, err)
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	switch {
	case resp.StatusCode == http.StatusPartialContent && strings.HasPrefix(resp.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", have)):
		resumed = have > 0
	case resp.StatusCode == http.StatusOK:
		if have, err = 0, f.Truncate(0); err != nil {
			return false, err
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return false, err
		}
	default:
		return false, errors.New("server says " + resp.Status)
	}
	bar := s.report.bar(e.File, have, e.Bytes)
	defer bar.end()
	n, err := io.Copy(f, io.TeeReader(io.LimitReader(resp.Body, e.Bytes-have), writerFunc(func(b []byte) {
		watchdog.Reset(stall)
		bar.add(len(b))
	})))
	if err != nil {
		return resumed, cause(ctx, err)
	}
	if have+n < e.Bytes {
		return resumed, fmt.Errorf("got %d of %d bytes", have+n, e.Bytes)
	}
	return resumed, nil
}

// cause prefers the reason a context was cancelled for over the error that followed.
func cause(ctx context.Context, err error) error {
	if c := context.Cause(ctx); c != nil {
		return c
	}
	return err
}

type writerFunc func([]byte)

func (w writerFunc) Write(b []byte) (int, error) { w(b); return len(b), nil }

// pip stages the wheel and returns its path. pip checks the pinned hash, extract checks it
// again. Offline, pip may only use the directories it was configured to find wheels in.
func (s *setup) pip(ctx context.Context, w Wheel) (string, error) {
	path := filepath.Join(s.stage, w.File)
	if verifyFile(path, w.SHA256, w.Bytes) == nil {
		return path, nil
	}
	requirements := filepath.Join(s.stage, w.Package+".txt")
	line := fmt.Sprintf("%s==%s --hash=sha256:%s\n", w.Package, w.Version, w.SHA256)
	if err := os.WriteFile(requirements, []byte(line), 0o644); err != nil {
		return "", err
	}
	args := []string{
		"-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input", "--no-deps", "--only-binary=:all:",
		"--platform", w.Platform, "--python-version", "311", "--require-hashes", "-r", requirements, "-d", s.stage,
	}
	if s.Offline {
		args = append(args, "--no-index")
	}
	s.report.line("%s %s: fetching %.0f MB with pip", w.Package, w.Version, float64(w.Bytes)/1e6)
	cmd := exec.CommandContext(ctx, "python3", args...)
	cmd.WaitDelay = 5 * time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			return "", errors.New("python3 with pip is not installed")
		}
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", fmt.Errorf("pip: %w: %s", err, lastLine(stderr.String()))
	}
	return path, nil
}

// lastLine is the last line that is not empty, shortened: pip ends with the reason.
func lastLine(s string) string {
	s = strings.TrimSpace(s)
	s = s[strings.LastIndexByte(s, '\n')+1:]
	if len(s) > 200 {
		s = s[:200] + "…"
	}
	return s
}

// extract stages e from the wheel at path. Only the one member is read, and only as many
// bytes as the manifest says.
func (s *setup) extract(path string, w Wheel, e Entry) error {
	if err := verifyFile(path, w.SHA256, w.Bytes); err != nil {
		return err
	}
	z, err := zip.OpenReader(path)
	if err != nil {
		return fmt.Errorf("open wheel: %w", err)
	}
	defer z.Close() //nolint:errcheck // read only
	for _, f := range z.File {
		if f.Name != e.Member {
			continue
		}
		if f.UncompressedSize64 != uint64(e.Bytes) {
			return errSize
		}
		r, err := f.Open()
		if err != nil {
			return fmt.Errorf("open wheel: %w", err)
		}
		defer r.Close() //nolint:errcheck // read only
		b := make([]byte, e.Bytes)
		if _, err := io.ReadFull(r, b); err != nil {
			return fmt.Errorf("read wheel: %w", err)
		}
		if !matches(b, e.SHA256) {
			return errHash
		}
		return writeFile(s.staged(e), b)
	}
	return fmt.Errorf("%s is not in the wheel", e.Member)
}
