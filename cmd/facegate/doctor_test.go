package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"facegate/internal/config"
)

// visit lets a physician see a machine whose files lie under root, and returns what it says
// in one check as "state detail".
func visit(t *testing.T, root string, check func(*physician)) (said []string, sick bool) {
	t.Helper()
	var out bytes.Buffer
	p := &physician{e: &env{stdout: &out, json: true}, root: root, c: config.Default(t.TempDir())}
	check(p)
	for line := range strings.Lines(out.String()) {
		var d diagnosis
		if err := json.Unmarshal([]byte(line), &d); err != nil {
			t.Fatal(err)
		}
		if (d.Hint == "") != (d.State == stateOK) {
			t.Errorf("%s: state %s with hint %q", d.Check, d.State, d.Hint)
		}
		said = append(said, d.Check+" "+d.State+": "+d.Detail)
	}
	return said, p.sick
}

// tree makes files under a directory.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestDoctorOnBoards(t *testing.T) {
	tests := []struct {
		name  string
		files map[string]string
		want  []string // starts of the lines
		sick  bool
	}{
		{"no chip", nil, []string{"gpio failed: "}, true},
		{"another chip", map[string]string{"dev/gpiochip4": ""}, []string{"gpio failed: "}, true},
		{"a board without config.txt", map[string]string{"dev/gpiochip0": ""}, []string{"gpio ok: "}, false},
		{
			"a Raspberry Pi as it comes",
			map[string]string{"dev/gpiochip0": "", "boot/firmware/config.txt": "dtparam=i2c=on\n#dtparam=strict_gpiod\n"},
			[]string{"gpio ok: ", "strict_gpiod warning: "},
			false,
		},
		{
			"one that lets go of its lines",
			map[string]string{"dev/gpiochip0": "", "boot/config.txt": "[all]\ndtparam=audio=on,strict_gpiod\n"},
			[]string{"gpio ok: ", "strict_gpiod ok: "},
			false,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			said, sick := visit(t, tree(t, tt.files), (*physician).gpio)
			wantSaid(t, said, tt.want)
			if sick != tt.sick {
				t.Errorf("sick: %v, want %v", sick, tt.sick)
			}
		})
	}
}

func wantSaid(t *testing.T, said, want []string) {
	t.Helper()
	ok := len(said) == len(want)
	for i := range min(len(said), len(want)) {
		ok = ok && strings.HasPrefix(said[i], want[i])
	}
	if !ok {
		t.Errorf("got %q, want %q", said, want)
	}
}

func TestDoctorOnDisks(t *testing.T) {
	for free, want := range map[uint64]string{
		0: "disk failed: 0 MiB", 100<<20 - 1: "disk failed: 99 MiB", 100 << 20: "disk warning: 100 MiB",
		1<<30 - 1: "disk warning: 1023 MiB", 1 << 30: "disk ok: 1.0 GiB", 1 << 40: "disk ok: 1024.0 GiB",
	} {
		said, _ := visit(t, "/", func(p *physician) { judgeDisk(p, free) })
		wantSaid(t, said, []string{want})
	}
}

func TestDoctorOnCertificates(t *testing.T) {
	dir := t.TempDir()
	const day = 24 * time.Hour
	for _, tt := range []struct {
		valid time.Duration
		want  string
	}{{-day, "certificates failed: http: expired on "}, {10 * day, "certificates warning: http: expires on "}, {100 * day, "certificates ok: http: valid until "}} {
		cert, key := certificate(t, dir, tt.valid)
		said, _ := visit(t, "/", func(p *physician) {
			p.c.HTTP.Cert, p.c.HTTP.Key = cert, key
			p.certificates()
		})
		wantSaid(t, said, []string{tt.want})
	}
	said, _ := visit(t, "/", func(p *physician) {
		p.c.MQTT.Cert, p.c.MQTT.Key = filepath.Join(dir, "none"), filepath.Join(dir, "none")
		p.certificates()
	})
	wantSaid(t, said, []string{"certificates failed: mqtt: "})
}

func TestDoctorOnServices(t *testing.T) {
	const run, lib, etc = "run/systemd/system/x", "usr/lib/systemd/system/", "etc/systemd/system/multi-user.target.wants/"
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  []string
	}{
		{"another init", map[string]string{lib + "doord.service": ""}, nil},
		{"none", map[string]string{run: ""}, []string{"services warning: not installed: doord.service, facegated.service"}},
		{"one", map[string]string{run: "", lib + "doord.service": ""}, []string{"services warning: not installed: facegated.service"}},
		{
			"one is not enabled",
			map[string]string{run: "", lib + "doord.service": "", lib + "facegated.service": "", etc + "doord.service": ""},
			[]string{"services warning: not started with the machine: facegated.service"},
		},
		{
			"both",
			map[string]string{run: "", lib + "doord.service": "", "etc/systemd/system/facegated.service": "", etc + "doord.service": "", etc + "facegated.service": ""},
			[]string{"services ok: "},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			said, _ := visit(t, tree(t, tt.files), (*physician).services)
			wantSaid(t, said, tt.want)
		})
	}
}

func certificate(t *testing.T, dir string, valid time.Duration) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-1000 * time.Hour), NotAfter: time.Now().Add(valid)}
	cert, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: cert}, keyFile: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

func TestDoctorOnBrokers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ask := func() []string {
		said, _ := visit(t, "/", func(p *physician) {
			p.c.MQTT.URL = "mqtt://" + l.Addr().String()
			p.broker(t.Context())
		})
		return said
	}
	wantSaid(t, ask(), []string{"broker ok: 127.0.0.1:"})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	wantSaid(t, ask(), []string{"broker warning: "})
}
