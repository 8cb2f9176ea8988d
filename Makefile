# Every target sets up what it needs: a virtual environment and the pinned, hashed dependencies.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# Processes are started over and over; without its cache each would compile the whole bot anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help chat run test test-services test-long test-live test-browser lint bench chaos format lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

$(VENV)/.run: requirements.lock pyproject.toml
	@echo "Setting up MemoryChat in $(VENV) (once, a few minutes at most) ..."
	@$(PYTHON) -c 'import sys; sys.exit("MemoryChat needs Python 3.11 or newer; this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else 0'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.run
	@echo "Adding the tools for tests and checks ..."
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@

$(VENV)/.bench: requirements-bench.lock $(VENV)/.dev
	@echo "Adding what mem0 brings as extras, to measure beside it ..."
	@$(PIP) install --require-hashes -r requirements-bench.lock
	@touch $@

chat: $(VENV)/.run ## talk to the bot in this terminal
	@$(BIN)/memorychat chat

run: $(VENV)/.run ## start every configured platform
	@$(BIN)/memorychat run

lint: $(VENV)/.dev ## format check, lint, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint ## every check and test, with the coverage floors
	$(BIN)/python -m tests.run

test-services: $(VENV)/.dev ## the tests that need redis-server
	$(BIN)/python -m pytest -q -m services tests

test-long: $(VENV)/.dev ## the leak matrix, random walks, stores on servers, whole processes that are stopped and killed
	CHAOS_KILLS=$${CHAOS_KILLS:-4} $(BIN)/python -m pytest -q -m long -n auto --dist loadfile tests

test-live: $(VENV)/.dev ## against the Supabase project of SUPABASE_URL and SUPABASE_SERVICE_KEY
	$(BIN)/python -m pytest -q -m live tests/live

test-browser: $(VENV)/.dev ## the web page in headless Chromium, with axe-core where AXE_CORE names its file
	BROWSER_TESTS=1 $(BIN)/python -m pytest -q tests/browser

bench: $(VENV)/.bench ## measure what the README claims into bench/report.md (QUICK=1: a look)
	$(BIN)/python -m bench $(if $(QUICK),--quick)

chaos: $(VENV)/.dev ## the long form of the tests that kill the bot, forty minutes at most (ONLY="sqlite workers": these cases)
	$(BIN)/python -m tests.chaos.long $(ONLY)

format: $(VENV)/.dev ## write the code as ruff would
	$(BIN)/ruff check --fix --quiet . || true
	$(BIN)/ruff format .

lock: $(VENV)/.dev ## pin the dependencies again, with hashes and without index addresses
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --group dev pyproject.toml -o requirements-dev.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --group bench -c requirements-dev.lock -o requirements-bench.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --group build -c requirements-dev.lock pyproject.toml -o requirements.lock

clean: ## remove the virtual environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .coverage* build *.egg-info
