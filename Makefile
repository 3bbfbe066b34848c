# The verbs of the project. Set-up happens by itself: each verb first brings .venv up to date with the lock.

VENV := .venv/bin
READY := .venv/.ready
PYTEST := $(VENV)/python -m pytest -q -p tests.support.no_skips -p tests.support.tiers -p tests.support.no_hangs
# Much of the rest waits for other processes and for time to pass, so it takes more workers than there are cores; with
# more than these, all that they do is wait for each other.
REST_WORKERS = $(shell echo $$((2 * $$(nproc))))
# Bytecode is kept even where the shell says otherwise (slim container images do): without it each worker, and each
# program that a test starts, compiles everything again, and that takes as long as the tests.
export PYTHONDONTWRITEBYTECODE :=
UV_COMPILE := UV_CUSTOM_COMPILE_COMMAND="make lock" $(VENV)/uv pip compile -q --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-emit-find-links

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-fast test-rest check check-lint check-format check-types check-imports \
	lab bench docs lock packages clean

help:  ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY)  ## Make .venv from the locked dependencies (every other verb does it when needed)

$(READY): requirements-dev.lock pyproject.toml scripts/setup.sh
	@sh scripts/setup.sh

demo: $(READY)  ## A fleet of virtual CPEs and a daemon to look at; ONCE=1 runs through and stops
	@$(VENV)/python scripts/demo.py

test:  ## Everything: check, the fast tier, then properties, real boxes, database servers, wheel and container
	@bash scripts/test-all.sh

test-fast: $(READY)  ## The inner loop: unit and contract tests that need nothing but Python, in random order
	@$(PYTEST) --tier fast -n auto --dist worksteal --durations 5

test-rest: $(READY) packages
	@sh scripts/setup-client.sh
	@$(PYTEST) --tier rest -n $(REST_WORKERS) --dist load --maxschedchunk 1 --durations 10

check:  ## Lint, format, types and the direction of imports, side by side
	@$(MAKE) --no-print-directory $(READY)
	@$(MAKE) --no-print-directory -j -k --output-sync=target check-lint check-format check-types check-imports

check-lint:
	@$(VENV)/ruff check --quiet . && echo "ruff check: clean"

check-format:
	@$(VENV)/ruff format --quiet --diff . && echo "ruff format: clean"

check-types:
	@$(VENV)/mypy

check-imports:
	@$(VENV)/lint-imports

lab: $(READY)  ## Edge, internet, mobile network and CPES=2 real CPEs in namespaces, until Ctrl-C; ROUTING=static|bgp
	@sh scripts/debian-packages.sh lab
	@$(VENV)/cpe-sim lab up --cpes $(or $(CPES),2) --routing $(or $(ROUTING),static)

bench: $(READY)  ## Measure a night's backup, what a configuration costs, SNMP, and looking at ten thousand lines
	@$(VENV)/python -m benchmarks.backup
	@$(VENV)/python -m benchmarks.parsing
	@$(VENV)/python -m benchmarks.snmp
	@$(VENV)/python -m benchmarks.lines
	@[ "$$(id -u)" -ne 0 ] || $(VENV)/python -m benchmarks.failover --runs 3

docs: $(READY)  ## Write the generated part of docs/
	@$(VENV)/python -m scripts.docs

lock:  ## Resolve the dependencies again
	@$(MAKE) --no-print-directory $(READY)
	$(UV_COMPILE) --group dev pyproject.toml -o requirements-dev.lock
	$(UV_COMPILE) -c requirements-dev.lock pyproject.toml -o requirements.lock
	@# What builds the wheel inside the container image.
	echo hatchling | $(UV_COMPILE) -c requirements-dev.lock - -o requirements-build.lock
	@# Generates clients from the description of the API, in a .venv-client of its own: it wants an older typer.
	echo openapi-python-client | $(UV_COMPILE) - -o requirements-client.lock

packages:
	@sh scripts/debian-packages.sh lab postgres snmp rancid telnet container

clean:  ## Remove what was made here: .venv, caches, var/
	rm -rf .venv .venv-client .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist var
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
