# Everything a user or a contributor does with this clone. `make` lists it.
#
#   VENV=/path      keep the virtual environment elsewhere
#   PYTHON=/path    the Python (3.11 or newer) to make it with
#   PY=/path        use this interpreter as it is: nothing is installed for Python
#   ARGS="..."      passed on to `lite-gateway dev`, pytest or the benchmark

VENV ?= .venv
UV ?= $(shell command -v uv || echo $(VENV)/bin/uv)
ARGS ?=

ifdef PY
core :=
dev :=
else
PY := $(VENV)/bin/python
core := $(VENV)/.core
dev := $(VENV)/.dev
endif

vendor := web/vendor/livekit-client.esm.mjs
pip := $(PY) -m pip install --disable-pip-version-check
compile := $(UV) pip compile --quiet --universal --python-version 3.11 \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup deps run test check format bench lock clean deps \
	livekit chromium postgres clients

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 18

setup: $(core) $(vendor) ## everything that `make run` needs, into .venv

run: setup ## LiveKit, gateway and demo page on this machine
	$(PY) -m lite_gateway dev $(ARGS)

test: $(dev) $(vendor) livekit chromium postgres clients ## every test, with a real LiveKit, Chromium and clients
	$(PY) -m pytest $(ARGS)

check: $(dev) ## format, lint and types
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	$(PY) -m mypy tools

format: $(dev) ## put the code into shape
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .

bench: $(dev) $(vendor) livekit chromium ## the benchmark report, minutes
	@mkdir -p out
	$(PY) -m bench all --json out/bench.json --html out/bench.html $(ARGS)

lock: $(filter $(VENV)/%,$(UV)) ## renew the lock files (UPGRADE=1: to the newest)
	$(compile) $(if $(UPGRADE),--upgrade) pyproject.toml -o requirements.lock
	$(compile) $(if $(UPGRADE),--upgrade) pyproject.toml --extra dev \
		-c requirements.lock -o requirements-dev.lock
	$(compile) $(if $(UPGRADE),--upgrade) tests/clients/requirements.in \
		-o tests/clients/requirements.lock
	$(PY) tools/web_vendor.py --lock

clean: ## remove what was made here; caches of the user stay
	rm -rf .venv build dist out web/vendor *.egg-info .coverage \
		.mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- the steps behind them ------------------------------------------------------

# Without the project itself: a layer of the container image that seldom changes.
deps: $(VENV)/.lock

$(VENV)/pyvenv.cfg:
	tools/venv.sh $(VENV)

$(VENV)/.lock: requirements.lock | $(VENV)/pyvenv.cfg
	@echo "installing the libraries into $(VENV): minutes the first time"
	$(pip) -r requirements.lock
	@touch $@

$(VENV)/.core: $(VENV)/.lock pyproject.toml
	$(pip) --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.core requirements-dev.lock
	$(pip) --quiet -r requirements-dev.lock
	@touch $@

$(VENV)/bin/uv: $(VENV)/.lock
	$(pip) --quiet uv

$(vendor): web/package-lock.json tools/web_vendor.py | $(core)
	$(PY) tools/web_vendor.py

livekit: $(core)
	@$(PY) -m tools.livekit_server

# Without a browser its tests are skipped, saying why; in CI they fail.
chromium:
	@tools/chromium.sh --install || true

# The same for the tests of the database.
postgres:
	@tools/postgres.sh --install || true

# Other people's programs with pins of their own; without them the same.
clients: $(dev)
	@$(PY) -m bench.environment clients tests/clients/requirements.lock || true
