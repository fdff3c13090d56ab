# Two commands matter: `make demo` and `make test`. Both set up what they need.
SHELL := /bin/bash
.DEFAULT_GOAL := help

VERSION ?= $(shell git describe --tags --match 'v[0-9]*' --dirty 2>/dev/null | sed 's/^v//' | grep . || echo 0.1.0)
COMMIT  := $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
# Built twice from one commit, everything has the same bytes.
SOURCE_DATE_EPOCH := $(shell git log -1 --format=%ct 2>/dev/null || echo 0)
GOARCH  ?= $(shell go env GOARCH)
LDFLAGS := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)
# Without the tag grpc links html/template, which keeps every exported method alive: 61 MB in place of 26.
TAGS    := grpcnotrace
# The AWS SDK is called a few times a boot. Inlined into itself it is 0.35 MB larger, all of which a cold disk must deliver.
GCFLAGS := github.com/aws/...=-l
BUILD   := CGO_ENABLED=0 go build -tags $(TAGS) -gcflags='$(GCFLAGS)' -trimpath -buildvcs=false -ldflags '$(LDFLAGS)'
# Tools run here, whatever is built.
TOOL    := GOOS= GOARCH= go tool -modfile=tools/go.mod
LAB     := cd test/lab && go run ./cmd/lab
DEB      = dist/eksnode_$(VERSION)_$(GOARCH).deb
RPM      = dist/eksnode-$(VERSION).$(GOARCH).rpm
PACKAGE_ARCH = $(GOARCH)
export VERSION PACKAGE_ARCH SOURCE_DATE_EPOCH

.PHONY: help
help: ## Show this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: deb ## Boot an instance from user data on a real control plane and see it Ready (root)
	$(LAB) deps
	$(LAB) demo --package $(CURDIR)/$(DEB)

.PHONY: test
test: lint test-unit test-interop test-cross test-lab ## Everything: lint, unit, race, other systems, lab (root for the lab)

.PHONY: build
build: ## Build bin/eksnode
	$(BUILD) -o bin/eksnode ./cmd/agent

.PHONY: deb rpm packages
packages: deb rpm ## Build the deb and the rpm into dist/
dist/eksnode-linux-%: FORCE
	GOOS=linux GOARCH=$* $(BUILD) -o $@ ./cmd/agent
deb: dist/eksnode-linux-$(GOARCH) ## Build the deb
	$(TOOL) nfpm package --config packaging/nfpm.yaml --packager deb --target $(DEB)
rpm: dist/eksnode-linux-$(GOARCH) ## Build the rpm
	$(TOOL) nfpm package --config packaging/nfpm.yaml --packager rpm --target $(RPM)
FORCE:

.PHONY: lint
lint: ## gofmt, go vet, staticcheck, shell syntax, govulncheck where its database can be reached
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -d $$(git ls-files '*.go'); exit 1; }
	go vet ./...
	cd test/lab && go vet ./...
	$(TOOL) staticcheck ./...
	@for s in packaging/scripts/*.sh; do sh -n $$s || exit 1; done; bash -n .ci/run
	@if curl -sfo /dev/null --max-time 5 https://vuln.go.dev/index/modules.json; then $(TOOL) govulncheck ./...; \
	else echo "govulncheck: not run, its database cannot be reached from here"; fi

.PHONY: test-unit
test-unit: ## Unit, golden, property, contract and floor tests, with the race detector
	CGO_ENABLED=1 go test -race ./...

.PHONY: test-interop
test-interop: ## Our tokens against the real aws-iam-authenticator verifier
	cd test/interop && go test ./...

.PHONY: test-cross
test-cross: ## The other systems that this must build for
	GOOS=windows CGO_ENABLED=0 go vet ./...
	GOOS=darwin CGO_ENABLED=0 go vet ./...
	GOARCH=arm64 $(BUILD) -o /dev/null ./cmd/agent
	GOOS=windows $(BUILD) -o /dev/null ./cmd/agent
	GOOS=darwin $(BUILD) -o /dev/null ./cmd/agent
	$(BUILD) -o bin/eksnode ./cmd/agent
	@size=$$(stat -c %s bin/eksnode); test $$size -le 30000000 || { echo "bin/eksnode has $$size bytes, more than the 30 MB that a node's cold disk can bear"; exit 1; }

.PHONY: test-windows
test-windows: ## The Windows build under Wine, where that is installed (Debian's wine64 and wine)
	@if command -v wineboot >/dev/null; then EKSNODE_WINE=1 go test -count=1 -timeout 10m ./test/windows; \
	else echo "test-windows: not run, Wine is not installed: apt-get install --no-install-recommends wine wine64"; fi

.PHONY: test-lab
test-lab: packages ## End to end: real control plane, real systemd boxes, faults (root)
	$(LAB) deps
	cd test/lab && EKSNODE_DEB=$(CURDIR)/$(DEB) EKSNODE_RPM=$(CURDIR)/$(RPM) go test -count=1 -timeout 40m ./...

.PHONY: golden
golden: ## Write the golden files anew; read the diff before you commit it
	UPDATE_GOLDEN=1 go test ./...

FUZZTIME ?= 60s
.PHONY: fuzz
fuzz: ## Every fuzz target for FUZZTIME
	@set -e; for f in $$(grep -rlE '^func Fuzz' --include=*_test.go pkg internal); do \
	  for t in $$(grep -oE '^func Fuzz[A-Za-z0-9_]*' $$f | sed 's/func //'); do \
	    echo "$$t ($$(dirname $$f))"; go test -run '^$$' -fuzz "^$$t$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1x ./$$(dirname $$f); done; done

.PHONY: bench
bench: deb ## Measure binary size, time, metadata requests and memory against the budgets
	$(LAB) deps
	$(LAB) bench --package $(CURDIR)/$(DEB)

.PHONY: clean
clean: ## Remove what was built here, and the lab's leftovers (not its cache)
	rm -rf bin dist
	-$(LAB) down --all
