package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"facegate/api/local"
	"facegate/health"
)

// A daemon is facegated, spoken to over its local socket.
type daemon struct {
	socket string
	client *http.Client
}

func (e *env) daemon() (*daemon, error) {
	c, err := e.config()
	if err != nil {
		return nil, err
	}
	socket := filepath.Join(c.Home, local.SocketName)
	return &daemon{socket, &http.Client{Timeout: 2 * answerWithin, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
		DisableKeepAlives: true,
	}}}, nil
}

// maxAnswer is far above any answer of the daemon, in bytes.
const maxAnswer = 1 << 20

// ask puts a question to the daemon: a GET where say is nil, else a POST of it.
func (d *daemon) ask(ctx context.Context, path string, say, answer any) error {
	method, body := http.MethodGet, []byte(nil)
	if say != nil {
		var err error
		if body, err = json.Marshal(say); err != nil {
			return err
		}
		method = http.MethodPost
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://facegated"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := d.client.Do(r)
	if err != nil {
		if cause := errors.Unwrap(err); cause != nil {
			err = cause // without the address, which is made up
		}
		return hinted{fmt.Errorf("ask facegated: %w", err), "is facegated running for this home directory? it listens on " + d.socket}
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("read facegated's answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		var problem struct{ Title, Detail string }
		_ = json.Unmarshal(text, &problem) // without one the status is all there is to say
		return fmt.Errorf("facegated refuses: %s: %s", resp.Status, problem.Detail)
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("read facegated's answer: %w", err)
	}
	return nil
}

// healthCommand prints what is wrong with the running kiosk. Where something is critical the
// answer is no.
func healthCommand(ctx context.Context, e *env, args []string) error {
	rest, err := parse(e.flags("health"), args)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return usagef("health takes no %q", rest[0])
	}
	daemon, err := e.daemon()
	if err != nil {
		return err
	}
	var answer struct {
		Conditions []health.Condition `json:"conditions"`
	}
	if err := daemon.ask(ctx, "/health", nil, &answer); err != nil {
		return err
	}
	if len(answer.Conditions) == 0 && !e.json {
		fmt.Fprintln(e.stdout, "all is well")
	}
	critical := false
	for _, c := range answer.Conditions {
		critical = critical || c.Severity == health.Critical
		if err := e.print(c, func(w io.Writer) { writeCondition(w, c) }); err != nil {
			return err
		}
	}
	if critical {
		return errNo
	}
	return nil
}

func writeCondition(w io.Writer, c health.Condition) {
	fmt.Fprintf(w, "%-8s %-18s %s, since %s\n", c.Severity, c.ID, c.Title, c.Since.Local().Format(time.DateTime))
	if c.Cause != "" {
		fmt.Fprintf(w, "%27s found: %s\n", "", c.Cause)
	}
	if c.ExplainedBy != "" {
		fmt.Fprintf(w, "%27s comes of: %s\n", "", c.ExplainedBy)
	} else {
		fmt.Fprintf(w, "%27s hint: %s\n", "", c.Hint)
	}
}
