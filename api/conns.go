package api

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
)

// How many connections are held at once, of all and of one address. More wait in the kernel's queue,
// or are closed.
const (
	maxConns = 256
	maxFrom  = 64
)

// limited is a listener with a bounded number of open connections. Where there are as many, one that
// has nothing to do is closed for one that comes: whoever keeps connections open keeps nobody out.
type limited struct {
	net.Listener
	slots chan struct{}
	each  int // connections of one address other than this machine's

	mu     sync.Mutex
	full   bool    // one that comes waits for a slot
	idle   []*slot // the longest idle first
	origin map[netip.Prefix]int
}

func limit(l net.Listener, all, each int) *limited {
	return &limited{Listener: l, slots: make(chan struct{}, all), each: each, origin: make(map[netip.Prefix]int)}
}

func (l *limited) Accept() (net.Conn, error) {
	for {
		l.wait()
		c, err := l.Listener.Accept()
		if err != nil {
			<-l.slots
			return nil, err
		}
		if s := l.enter(c); s != nil {
			return s, nil
		}
		<-l.slots
		_ = c.Close() // nothing was said
	}
}

// wait takes a slot, if need be of a connection that is idle or the next one that is.
func (l *limited) wait() {
	select {
	case l.slots <- struct{}{}:
		return
	default:
	}
	l.mu.Lock()
	l.full = len(l.idle) == 0
	var longest *slot
	if !l.full {
		longest = l.idle[0]
		l.idle = l.idle[1:]
	}
	l.mu.Unlock()
	if longest != nil {
		_ = longest.Close() // nothing was under way
	}
	l.slots <- struct{}{}
	l.mu.Lock()
	l.full = false
	l.mu.Unlock()
}

// enter is nil for a connection from where there are too many. Those of this machine are a proxy's,
// of many.
func (l *limited) enter(c net.Conn) *slot {
	from := origin(c.RemoteAddr())
	l.mu.Lock()
	defer l.mu.Unlock()
	if !from.Addr().IsLoopback() && l.origin[from] >= l.each {
		return nil
	}
	l.origin[from]++
	s := &slot{Conn: c}
	s.free = sync.OnceFunc(func() {
		l.mu.Lock()
		if l.origin[from]--; l.origin[from] == 0 {
			delete(l.origin, from)
		}
		l.busy(s)
		l.mu.Unlock()
		<-l.slots
	})
	return s
}

// crowded reports whether few slots are left: then no connection should outlive its call.
func (l *limited) crowded() bool { return len(l.slots) > cap(l.slots)*3/4 }

// origin is an address, or of IPv6 the network that one holder has all addresses of.
func origin(a net.Addr) netip.Prefix {
	at, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Prefix{}
	}
	ip, bits := at.Addr().Unmap(), 32
	if ip.Is6() && !ip.IsLoopback() {
		bits = 64
	} else if ip.Is6() {
		bits = 128
	}
	p, err := ip.WithZone("").Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// state is told what a connection does, as [http.Server.ConnState] is.
func (l *limited) state(c net.Conn, state http.ConnState) {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	s, ok := c.(*slot)
	if !ok {
		return
	}
	l.mu.Lock()
	l.busy(s)
	wanted := state == http.StateIdle && l.full
	if wanted {
		l.full = false
	} else if state == http.StateIdle {
		l.idle = append(l.idle, s)
	}
	l.mu.Unlock()
	if wanted {
		_ = s.Close() // nothing was under way
	}
}

// busy takes a connection off the idle ones. The caller holds the lock.
func (l *limited) busy(s *slot) {
	l.idle = slices.DeleteFunc(l.idle, func(i *slot) bool { return i == s })
}

// A slot is a connection that is counted.
type slot struct {
	net.Conn
	free func()
}

func (s *slot) Close() error {
	defer s.free()
	return s.Conn.Close()
}
