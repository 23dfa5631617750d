# What guards hale, one target each; .ci/run calls them all, on Debian as root.
# Skips for what a machine lacks are failures where HALE_LAB=1 is set.
#
# Variables: PKG, the packages of test and race; FUZZTIME, for each fuzz target;
# BENCH, the flags of bench.

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
PKG         := ./...
FUZZTIME    := 5s
MODULES      = $(shell git ls-files '*go.mod' | xargs -n1 dirname | sort)
NESTED       = $(filter-out .,$(MODULES))

.DEFAULT_GOAL := help
.PHONY: help all format tidy lint documents platforms fuzz unprivileged nested failovers suites wine machines machines-all sweep race test bench bench-brief

help: ## what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

all: format tidy lint documents race ## what to run before a commit; a minute or two

format: ## gofmt changes nothing
	@bad=$$(git ls-files '*.go' | xargs gofmt -l); [ -z "$$bad" ] || { echo "not formatted: $$bad"; exit 1; }

tidy: ## go mod tidy changes nothing, in any module
	@for dir in $(MODULES); do (set -x; cd $$dir && go mod tidy -diff) || exit; done

lint: ## vet and staticcheck, in every module
	@for dir in $(MODULES); do (set -x; cd $$dir && go vet ./... && go run $(STATICCHECK) ./...) || exit; done

documents: ## what documents show and packages export: tests that race and sweep leave out
	go test -run "^($$(sed -n 's/^func \(Test[A-Za-z]*\)(.*/\1/p' $$(grep -l '^//go:build !race' *_test.go) | paste -sd'|' -))$$" .

platforms: ## vet for every operating system, link for the common ones
	.ci/platforms

fuzz: ## every fuzz target for FUZZTIME
	@packages=$$(go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' ./...) || exit; \
	for package in $$packages; do \
		targets=$$(go test -list '^Fuzz' $$package) || exit; \
		for target in $$(echo "$$targets" | grep '^Fuzz'); do \
			(set -x; go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$package) || exit; \
		done; \
	done

unprivileged: ## examples/frozenpeer as the user nobody; needs root
	@dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && set -x && \
	go build -o "$$dir" ./examples/frozenpeer && chmod -R a+rX "$$dir" && \
	setpriv --reuid 65534 --regid 65534 --clear-groups "$$dir/frozenpeer" -scenario all

nested: ## the tests of the other modules; builds Jaeger first
	cd internal/rigs && go run ./backend/build
	@for dir in $(NESTED); do (cd $$dir && packages=$$(go list ./... | grep -v /rigs/cluster$$) && \
		set -x && go test -race -shuffle=on $$packages) || exit; done

failovers: ## real servers that fail over, drain and reload, and the table of it
	cd internal/rigs/cluster && go test -race -shuffle=on -table

suites: ## other people's tests, with hale beneath
	.ci/suites

wine: ## the Windows paths under two wines; needs root
	.ci/wine

machines: ## a server in a VM that is paused, hale standing still, an old kernel; needs root
	.ci/machines quick

machines-all: ## all experiments with VMs and kernels, and their table; 17 minutes
	.ci/machines all

sweep: ## the death watch as it is on systems other than Linux
	go vet -tags hale_sweep ./...
	go test -tags hale_sweep . ./health/...

race: ## the tests with the race detector, in random order
	go test -race -shuffle=on $(PKG)

bench: ## measure hale beside its rivals, and write docs/BENCHMARKS.md; five minutes (BENCH=-long: about half an hour)
	cd internal/rigs/bench/vitess && go run ./report -o ../../../../docs $(BENCH)

bench-brief: ## every benchmark once, briefly; fails if what may not allocate does
	go test -run '^$$' -bench . -benchtime 1x ./...
	cd internal/rigs && go test -short -run '^$$' -bench . -benchtime 10x ./bench/...
	cd internal/rigs/bench/vitess && go test -run '^$$' -bench . -benchtime 10x . && go run ./report -brief >/dev/null

test: ## the tests
	go test $(PKG)
