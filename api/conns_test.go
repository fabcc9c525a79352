package api

import (
	"fmt"
	"net"
	"net/http"
	"testing"

	"facegate/internal/programtest"
)

// Whoever keeps connections open and says nothing keeps nobody out.
func TestIdleConnectionsMakeWay(t *testing.T) {
	tcp, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := limit(tcp, 2, 1)
	server := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), ConnState: l.state} //nolint:gosec // a test's
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	for i := range 5 {
		client := &http.Client{Transport: &http.Transport{}} // each keeps its connection
		defer client.CloseIdleConnections()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+tcp.Addr().String(), nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(r)
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		resp.Body.Close()
	}
	if err := server.Close(); err != nil {
		t.Error(err)
	}
	<-ended //nolint:errcheck // it is that the server was closed
	programtest.Until(t, "nothing is counted any more", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.slots) == 0 && len(l.origin) == 0 && len(l.idle) == 0
	})
}

// A far is a connection from somewhere.
type far struct {
	net.Conn
	from string
	gone chan string
}

func (f far) RemoteAddr() net.Addr {
	a, err := net.ResolveTCPAddr("tcp", f.from)
	if err != nil {
		panic(err)
	}
	return a
}

func (f far) Close() error {
	f.gone <- f.from
	return nil
}

type coming chan far

func (c coming) Accept() (net.Conn, error) { return <-c, nil }
func (coming) Close() error                { return nil }
func (coming) Addr() net.Addr              { return nil }

// One address has so many connections, and its network where addresses cost nothing.
func TestConnectionsOfOneAddress(t *testing.T) {
	c, gone := make(coming, 16), make(chan string, 16)
	l := limit(c, 100, 2)
	var first net.Conn
	for _, tt := range []struct {
		from string
		ok   bool
	}{
		{"192.0.2.1:1", true},
		{"192.0.2.1:2", true},
		{"192.0.2.1:3", false},
		{"[::ffff:192.0.2.1]:4", false},
		{"192.0.2.2:1", true},
		{"[2001:db8::1]:1", true},
		{"[2001:db8::2]:1", true},
		{"[2001:db8::3]:1", false},
		{"[2001:db8:0:1::1]:1", true},
		{"127.0.0.1:1", true},
		{"127.0.0.1:2", true},
		{"127.0.0.1:3", true},
		{"[::1]:1", true},
		{"[::1]:2", true},
		{"[::1]:3", true},
	} {
		c <- far{from: tt.from, gone: gone}
		if !tt.ok {
			c <- far{from: fmt.Sprintf("198.51.100.%d:1", len(l.origin)), gone: gone} // what comes behind it
		}
		got, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = got
		}
		if !tt.ok {
			if closed := <-gone; closed != tt.from {
				t.Errorf("%s was closed, want %s", closed, tt.from)
			}
		} else if got.RemoteAddr().String() != tt.from {
			t.Errorf("%s was let in, want %s", got.RemoteAddr(), tt.from)
		}
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	<-gone
	c <- far{from: "192.0.2.1:5", gone: gone}
	if got, err := l.Accept(); err != nil || got.RemoteAddr().String() != "192.0.2.1:5" {
		t.Errorf("after one has gone: %v, %v", got, err)
	}
}
