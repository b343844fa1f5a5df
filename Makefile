# `make help` lists what there is. Everything these need is installed by scripts/install-packages, or it says what to install.
SHELL := /bin/bash
.DEFAULT_GOAL := help
GRID ?= examples/national.yaml
DATA ?= data
LISTEN ?= 127.0.0.1:8080
JOBS ?= 2

.PHONY: help build run package test check bench lint fuzz soak clean

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):[^#]*## (.*)/  make \1\t\2/' | expand -t 18

build: ## the program at build/tandem
	@scripts/install-packages build
	@cmake --preset release >build.log 2>&1 || { cat build.log; exit 1; }
	@cmake --build --preset release -j $(JOBS) --target tandem

run: build ## a national operator's grid at http://127.0.0.1:8080
	build/tandem up --grid $(GRID) --data $(DATA) --listen $(LISTEN)

package: build ## a Debian package of it, in build/packages
	@scripts/install-packages package
	@cd build && cpack -G DEB >packages.log || { cat packages.log; exit 1; }
	@ls build/packages/*.deb

test: ## every test
	@scripts/install-packages build test
	@cmake --preset release >build.log 2>&1 || { cat build.log; exit 1; }
	@cmake --build --preset release -j $(JOBS)
	@cd build && ctest --output-on-failure -j $$(($(JOBS) + 1)) # one that waits for a trace to be played beside those that compute

check: ## the everyday tests, under two minutes
	@scripts/install-packages build
	@cmake --preset release >build.log 2>&1 || { cat build.log; exit 1; }
	@cmake --build --preset release -j $(JOBS)
	@cd build && ctest --output-on-failure -j $(JOBS) -L check

bench: ## every benchmark; the last figures are in docs/BENCHMARKS.md
	@scripts/install-packages build
	@cmake --preset release >build.log 2>&1 || { cat build.log; exit 1; }
	@cmake --build --preset release -j $(JOBS) --target tandem benchmarks
	@bench/run build

lint: ## clang-format and clang-tidy over what changed since origin/main, or FILES="…"
	@scripts/install-packages build lint
	@scripts/lint $(FILES)

fuzz: ## every fuzz target for SECONDS (default 60) each
	@scripts/install-packages build fuzz
	@cmake --preset fuzz >build.log 2>&1 || { cat build.log; exit 1; }
	@cmake --build --preset fuzz -j $(JOBS)
	@scripts/fuzz build-fuzz $${SECONDS_EACH:-60}

soak: build ## 1,000 kill -9 under load, 10,000 simulated seeds, half an hour of the gateway; hours
	@cmake --build --preset release -j $(JOBS)
	@test/soak/run

clean: ## remove what was built
	rm -rf build build-dev build-asan build-tsan build-fuzz build.log console/dist console/node_modules
