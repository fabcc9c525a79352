# Targets are described in README.md. Everything a target needs beyond Go, gcc, make and
# python3-pip is fetched into var/ (models, runtime) or var/tools (linters).

FACEGATE_HOME ?= var
export FACEGATE_HOME

# Properties are tried on the same cases every time; RAPID_SEED=0 tries others.
RAPID_SEED ?= 1
export RAPID_SEED

TOOLS    := $(CURDIR)/var/tools
LINT     := $(TOOLS)/golangci-lint-v2.15.0
VULN     := $(TOOLS)/govulncheck-v1.8.0
PROGRAMS := facegate facegated doord
GOFLAGS_RELEASE := -trimpath

.PHONY: build cross setup demo test check bench eval vm install clean

build:
	@mkdir -p bin
	go build $(GOFLAGS_RELEASE) -o bin/ ./cmd/facegate ./cmd/facegated
	CGO_ENABLED=0 go build $(GOFLAGS_RELEASE) -o bin/ ./cmd/doord

# arm64 binaries need a cross compiler for the three cgo packages.
cross: cross-gcc
	@mkdir -p bin/linux-arm64
	CGO_ENABLED=1 GOOS=linux GOARCH=arm64 CC=aarch64-linux-gnu-gcc go build $(GOFLAGS_RELEASE) -o bin/linux-arm64/ ./cmd/facegate ./cmd/facegated
	CGO_ENABLED=0 GOOS=linux GOARCH=arm64 go build $(GOFLAGS_RELEASE) -o bin/linux-arm64/ ./cmd/doord

# The check is that the compiler finds C's headers, which are a package of their own.
.PHONY: cross-gcc
cross-gcc:
	@echo '#include <stdlib.h>' | aarch64-linux-gnu-gcc -E - >/dev/null 2>&1 || ./test/install gcc-aarch64-linux-gnu libc6-dev-arm64-cross

# Emulated: the arm64 programs must say what this machine's say. A quarter of an hour of processor time.
.PHONY: arm64
arm64: setup
	./test/arm64/run

setup: build
	bin/facegate setup

demo: setup
	bin/facegate demo $(if $(ONESHOT),--oneshot) $(if $(CAMERA),--camera $(CAMERA))

# The browser is installed where that may be done; elsewhere its tests skip and say so.
test: setup
	@command -v chromium >/dev/null || ./test/install chromium || echo "no Chromium: tests of pages are skipped"
	go test $(TESTFLAGS) -timeout 25m ./...
	go test -race -short ./access/... ./api ./api/local ./api/webhook ./door/... ./device/... ./health ./internal/task ./pipeline/match ./store/... ./wallclock

# -short keeps the accuracy suites to a stratified part; race needs cgo.
check: $(LINT) $(VULN)
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "not formatted (run gofmt -w):"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	go vet ./...
	$(LINT) run
	go mod tidy -diff
	go mod verify
	./test/vulncheck $(VULN)

$(LINT):
	@mkdir -p $(TOOLS)
	GOBIN=$(TOOLS) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
	mv $(TOOLS)/golangci-lint $@

$(VULN):
	@mkdir -p $(TOOLS)
	GOBIN=$(TOOLS) go install golang.org/x/vuln/cmd/govulncheck@v1.8.0
	mv $(TOOLS)/govulncheck $@

bench: setup
	$(if $(PEERS),./test/bench/peers)
	bin/facegate bench --faces ../shared/faces

eval: setup
	bin/facegate eval --suite ../shared/faces --out out/eval

vm:
	./test/vm/run

# The specimens of documents turned, scaled and skewed: three minutes.
.PHONY: documents
documents:
	FACEGATE_ALL_VIEWS=1 go test -timeout 30m ./document

# Every still as a card, flat and bent, and as a head, turned before the door's rule: ten minutes.
.PHONY: cards
cards: setup
	FACEGATE_ALL_CARDS=1 go test -count=1 -timeout 60m -v ./pipeline/liveness
	FACEGATE_ALL_CARDS=1 go test -count=1 -timeout 60m -v -run SequencesOfCards ./cmd/facegate

# How long somebody waits at the door while strangers call: four minutes, on a machine that does nothing else.
.PHONY: load
load: setup
	go test -count=1 -v -run TestHostileCalls -bench DecisionUnderLoad -benchtime 1x ./test/e2e

# Every fuzz target for FUZZTIME: half an hour.
.PHONY: fuzz
fuzz: setup
	./test/fuzz $(or $(FUZZTIME),30s)

# Lays the programs of `make build` and what systemd needs below DESTDIR; docs/install.md goes on from there.
install:
	install -D -m 755 -t $(DESTDIR)/usr/bin bin/doord bin/facegated bin/facegate
	install -D -m 644 -t $(DESTDIR)/usr/lib/systemd/system systemd/doord.service systemd/facegated.service systemd/facegate-retry@.timer
	install -D -m 644 systemd/sysusers.conf $(DESTDIR)/usr/lib/sysusers.d/facegate.conf
	install -D -m 644 systemd/tmpfiles.conf $(DESTDIR)/usr/lib/tmpfiles.d/facegate.conf
	install -D -m 644 systemd/udev.rules $(DESTDIR)/usr/lib/udev/rules.d/72-facegate.rules
	install -D -m 644 systemd/watchdog.conf $(DESTDIR)/usr/lib/systemd/system.conf.d/facegate.conf
	install -D -m 644 -t $(DESTDIR)/usr/share/facegate systemd/facegate.toml
	install -D -m 644 -t $(DESTDIR)/usr/share/doc/facegate docs/*.md internal/config/example.toml

clean:
	rm -rf bin out
