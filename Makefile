# Titan's commands. `make` lists them. Needs Python 3.11 or newer and make, nothing else.

PYTHON ?= python3
BIN := .venv/bin
UV_VERSION := 0.13.9
# What bandit reads. Its B608 is ruff's S608, where each exception has its reason.
HOUSE := titan proof replay producers consumers projections runtime ledger_adapter schemas domain

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup run test test-fast chaos lint bench bench-check mutants docs lock clean distclean

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/ready-requirements .venv/ready-kafka ## Make .venv: locked packages, Kafka's jars (a second time costs nothing)

run: setup ## Start everything and pay 10.00 USD from alice to bob; ONCE=1 ends after that
	@exec $(BIN)/python -m titan up --demo $(if $(filter-out 0,$(ONCE)),--once)

test: lint ## Set up, then lint, types, import contracts and the tests, real servers included
	$(BIN)/pytest -n 2 -m "not storm and not matrix and not hostile"
	$(BIN)/pytest -n 2 --dist loadfile -m hostile

test-fast: setup ## Only the tests that need no server, and the long ones smaller
	$(BIN)/pytest -n 2 -m "not real and not storm and not matrix and not hostile and not long"

chaos: setup ## Kill at every point and break a Titan while it pays; FULL=1: in all ways, and longer
	$(BIN)/pytest -m storm
	$(BIN)/pytest -m "matrix$(if $(filter-out 0,$(FULL)),, and not full)"
	$(BIN)/python -m titan chaos $(if $(filter-out 0,$(FULL)),--payments 50000 --faults 400 --minutes 30)

lint: setup ## Format, lint, types, import contracts, and known holes in code and packages
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy .
	$(BIN)/lint-imports
	$(BIN)/bandit --quiet --recursive -ll --skip B608 $(HOUSE)
	$(BIN)/python -m tests.audit requirements/dev.txt

bench: setup ## Measure throughput, latency, CPU and memory; prints a table, writes page and pictures
	@$(BIN)/python -m bench --json bench/results/figures.json --page docs/performance.md
	@$(BIN)/python -m bench draw

bench-check: setup ## Hold what a payment costs against the committed ratios; fails beyond 25 %
	@exec $(BIN)/python -m bench check

mutants: setup ## Plant bugs in a copy, one by one: each must be caught by the check it names
	@exec $(BIN)/python -m tests.mutants -j $(or $(JOBS),2)

docs: setup ## Write the generated pages and schemas anew
	$(BIN)/python -m titan docs
	$(BIN)/python -m titan schemas export

lock: setup ## Compile requirements/*.in and Kafka's jars into lock files with hashes
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(BIN)/uv pip compile $(LOCK_OPTIONS) requirements/dev.in --output-file requirements/dev.txt
	$(BIN)/uv pip compile $(LOCK_OPTIONS) requirements/runtime.in --constraints requirements/dev.txt \
		--output-file requirements/runtime.txt
	$(BIN)/python -m titan.setup_kafka --lock

clean: ## End what runs on .titan, then remove it: all data of the embedded servers
	@if [ -d .titan ] && [ -x $(BIN)/python ]; then $(BIN)/python -m titan.servers.sweep .titan; fi
	rm -rf .titan

distclean: clean ## Remove .venv and every cache as well
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

# Packages younger than a week are left out: a hijacked release is mostly found sooner. No
# registry is named in what is written.
LOCK_OPTIONS = --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --exclude-newer "7 days"

# Files in .venv that say how far the set-up came; each is written when its step is complete.
.venv/ready-venv:
	@command -v $(PYTHON) >/dev/null || { \
		echo "Titan needs Python 3.11 or newer, and there is no $(PYTHON): install it, or name it with make PYTHON=..."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Titan needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1): name a newer one with make PYTHON=python3.12"; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv || { \
		rm -rf .venv; echo "$(PYTHON) cannot make a virtual environment: install its venv module (on Debian and Ubuntu: apt install python3-venv)"; exit 1; }
	@touch $@

.venv/ready-requirements: requirements/dev.txt .venv/ready-venv
	@echo "Installing the locked packages into .venv (the first time takes a minute or two) ..."
	@$(BIN)/python -m pip install --disable-pip-version-check --retries 2 --require-hashes --only-binary :all: \
		-r requirements/dev.txt > .venv/setup.log 2>&1 || { \
		if grep -q "No space left" .venv/setup.log; then \
			echo "The disk is full: free 1 GB and run make setup again."; \
		elif grep -q "connection broken" .venv/setup.log; then \
			echo "The packages could not be fetched: connect to a network (or set HTTPS_PROXY) and run make setup again. It is needed only the first time."; \
		else \
			echo "The packages could not be installed: $$(grep -m 1 ERROR .venv/setup.log | cut -c 1-120). Titan runs on Linux and macOS, x86-64 and ARM64; more in .venv/setup.log."; \
		fi; exit 1; }
	@touch $@

.venv/ready-kafka: requirements/kafka-jars.lock .venv/ready-requirements
	@echo "Fetching Kafka's jars, 45 MB ..."
	@$(BIN)/python -m titan.setup_kafka
	@touch $@
