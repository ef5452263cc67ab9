# Commands for users and contributors of this repository. `make` lists them.
#
#   VENV=/path      folder of the virtual environment (default: .venv)
#   PYTHON=/path    Python 3.11 or newer to create it with
#   PY=/path        interpreter to use as it is; no Python packages are installed
#   ARGS="..."      arguments for `lite-gateway dev`, pytest or the benchmark
#   TESTS="..."     marks of the tests that `make test` runs (default: "not slow")
#   N=n SEED=n      messages and seed of `make fuzz`, packages and seed of `make fuzz-native`
#   WORKERS=n       processes that run tests, except those of real time (default: 2)
#   BESIDE=n        processes that run the tests that yield to all others (default: 2)

VENV ?= .venv
UV ?= $(shell command -v uv || echo $(VENV)/bin/uv)
ARGS ?=
TESTS ?= not slow
WORKERS ?= 2
BESIDE ?= 2
# Platforms of the wheels of a release; `any` has no native code and draws with torch.
PLATFORMS := manylinux_2_17_x86_64 manylinux_2_17_aarch64 macosx_11_0_arm64 any

ifdef PY
python :=
libraries :=
core :=
dev :=
else
PY := $(VENV)/bin/python
python := $(VENV)/pyvenv.cfg
libraries := $(VENV)/.lock
core := $(VENV)/.core
dev := $(VENV)/.dev
endif

vendor := web/vendor/livekit-client.esm.mjs
pip := $(PY) -m pip install --disable-pip-version-check
clang_format := $(PY) -c 'import clang_format; clang_format.clang_format()'
c_sources := renderer/native/*.[ch]
pip_wheel := $(PY) -m pip wheel --disable-pip-version-check --no-deps --wheel-dir dist
# pip demands each requirement of a lock file with hashes as it is named, with its extras.
compile := $(UV) pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-strip-extras \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links

# In three parts. Tests that measure real time run after the others, one by one. Both
# leave processor time, as they wait for other programs: beside them run the tests that
# only compute and those without a deadline, which yield to them until they have ended
# (tests/yielding.py). Their output comes at the end. Two runs at once write two files of
# coverage.
run_tests = log=$$(mktemp); \
	COVERAGE_FILE=.coverage-beside $(call yielding,$(1),beside,$(beside) $(2)) \
		>$$log 2>&1 & beside=$$!; trap "kill $$beside" INT TERM; \
	$(call pytest,$(1),not beside and not real_time,$(parallel) $(2)); parallel=$$?; \
	$(call pytest,$(1),real_time); alone=$$?; \
	kill -USR1 $$beside 2>/dev/null; wait $$beside; beside=$$?; cat $$log; rm $$log; \
	$(call passed,$$parallel$$beside$$alone)
run_unit = $(call pytest,unit,not real_time,$(parallel)); parallel=$$?; \
	$(call pytest,unit,real_time); $(call passed,$$parallel$$?)
pytest = $(PY) -m pytest --durations=30 -m "$(if $(1),($(1)) and )$(2)" $(3) $(ARGS)
yielding = $(subst -m pytest,-m tests.yielding,$(pytest)) -o timeout=1500
# Pytest exits with 5 if it finds no test: ARGS may leave a part without any.
passed = case $(1) in *[!05]* | 55 | 555) exit 1 ;; esac
parallel = -n $(WORKERS) $(by_file)
beside = -n $(BESIDE) $(by_file)
by_file := --dist loadfile --no-loadscope-reorder
coverage := $(if $(ARGS),,--cov --cov-report=)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup prepare deps run unit fuzz fuzz-native test coverage check format bench wheel \
	lock sbom wheels clean compiler native models vision livekit chromium programs clients bytecode

help: ## list these commands
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

setup: $(core) $(vendor) native vision ## install what `make run` needs into .venv

prepare: setup $(dev) programs livekit clients ## install what `make test` needs

run: setup ## run LiveKit, gateway and demo page on this machine
	$(PY) -m lite_gateway dev $(ARGS)

unit: $(dev) native vision ## run the tests that need no other program, in about a minute
	@$(run_unit)

fuzz: $(dev) ## send N mutated messages (a million) to the protocol, from SEED (random)
	$(PY) -m tests.protocol.fuzz $(or $(N),1000000) $(SEED)

fuzz-native: $(dev) ## draw N hostile packages and hear N calls (a thousand), with sanitizers
	@tools/gcc.sh --install
	$(PY) -m tools.sanitized tests.renderer.native.fuzz_drawing $(or $(N),1000) $(SEED)
	$(PY) -m tools.sanitized tests.renderer.native.fuzz_speech $(or $(N),1000) $(SEED)

test: prepare ## run all tests, with a real LiveKit, browsers and real clients
	@$(call run_tests,$(TESTS),$(coverage))
	$(if $(ARGS),,@$(MAKE) --no-print-directory coverage)

coverage: $(dev) ## compare the coverage of the last `make test` with its floors
	$(PY) -m coverage combine --quiet --keep --data-file=.coverage-all \
		.coverage .coverage-beside
	$(PY) -m coverage json --quiet --data-file=.coverage-all -o out/coverage.json
	$(PY) tools/coverage_floors.py out/coverage.json

check: $(dev) ## check format, lint and types
	$(PY) -m ruff format --check .
	$(clang_format) --dry-run --Werror $(c_sources)
	$(PY) -m ruff check .
	$(PY) -m mypy

format: $(dev) ## format the code and fix what the linter can fix
	$(PY) -m ruff format .
	$(clang_format) -i $(c_sources)
	$(PY) -m ruff check --fix .

bench: $(dev) $(vendor) native livekit chromium ## run the benchmark, which takes minutes
	@mkdir -p out
	$(PY) -m bench all --json out/bench.json --html out/bench.html $(ARGS)

wheel: $(vendor) native vision ## build the package for pip, for this machine, into dist/
	rm -rf build dist
	$(pip_wheel) .
	rm -rf build

wheels: $(vendor) $(libraries) ## build the packages for all platforms into dist/
	$(PY) -m tools.build_native --all --required
	$(PY) -m tools.vision_weights --required
	rm -rf dist
	for platform in $(PLATFORMS); do rm -rf build && $(pip_wheel) \
		--config-settings=--build-option=--plat-name=$$platform . || exit 1; done
	rm -rf build

lock: $(filter $(VENV)/%,$(UV)) ## update the lock files (UPGRADE=1: to the newest versions)
	$(compile) $(if $(UPGRADE),--upgrade) pyproject.toml --extra agent --extra speech \
		-o requirements.lock
	$(compile) $(if $(UPGRADE),--upgrade) pyproject.toml --extra dev \
		-c requirements.lock -o requirements-dev.lock
	$(PY) tools/extras.py postgres otel | $(compile) $(if $(UPGRADE),--upgrade) - \
		-c requirements-dev.lock -o requirements-image.lock
	$(compile) $(if $(UPGRADE),--upgrade) tests/clients/requirements.in \
		-o tests/clients/requirements.lock
	echo ziglang | $(compile) $(if $(UPGRADE),--upgrade) - -o requirements-native.lock
	$(PY) tools/web_vendor.py --lock

sbom: ## write the software bill of materials, CycloneDX, to out/sbom.json
	@mkdir -p out
	$(PY) tools/sbom.py > out/sbom.json

clean: ## remove generated files, except the caches of the user
	rm -rf .venv build dist out web/vendor renderer/native/builds \
		creation/vision/weights.npz *.egg-info .coverage* \
		.mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- steps of the commands above ------------------------------------------------

# Dependencies without the project: a layer of the container image that seldom changes.
deps: $(VENV)/.lock

$(VENV)/pyvenv.cfg:
	tools/venv.sh $(VENV)

$(VENV)/.lock: requirements.lock | $(VENV)/pyvenv.cfg
	@echo "installing the libraries into $(VENV); the first time takes minutes"
	$(pip) --require-hashes -r requirements.lock
	@touch $@

$(VENV)/.core: $(VENV)/.lock pyproject.toml
	$(pip) --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.core requirements-dev.lock
	$(pip) --quiet --require-hashes -r requirements-dev.lock
	@touch $@

$(VENV)/bin/uv: $(VENV)/.lock
	$(pip) --quiet uv

$(vendor): web/package-lock.json tools/web_vendor.py | $(python)
	$(PY) tools/web_vendor.py

# Native code of the renderer. Without it, the gateway draws with torch.
native: | $(python)
	@$(PY) -m tools.build_native

# Its compiler: a layer of the container image that seldom changes.
compiler: | $(python)
	@$(PY) -m tools.zig

# Weights of the networks that find a face in a photo. Without them, no avatar can be
# made from a photo; the gateway needs none. In CI they must be there.
vision: | $(libraries)
	@$(PY) -m tools.vision_weights

# The models that they come from: a layer of the container image that seldom changes.
models: | $(python)
	@$(PY) -m tools.mediapipe_models

# It needs no package of Python, so it is built while they are downloaded, with the
# processor time that those leave, as they take longer.
livekit: | $(python)
	@nice $(PY) -m tools.livekit_server

# Without Chromium, its tests are skipped with a reason; in CI they fail.
chromium:
	@tools/chromium.sh --install || true

# The same holds for each of these programs. GCC's sanitizers check the native code.
# One recipe, after that of the environment: apt-get does not run twice at once.
programs: | $(python)
	@for name in gcc headless_chromium firefox postgres; do tools/$$name.sh --install || true; done

# Real clients of other projects, with their own pins. The same holds for them, and what
# holds for LiveKit's server.
clients: | $(python)
	@nice $(PY) -m bench.environment clients tests/clients/requirements.lock || true

# Python keeps what it has compiled at an import. The processes of tests start at once and
# would all compile the same; one that finds all tests does it before them.
bytecode: $(dev)
	@$(PY) -m pytest --collect-only --quiet -m "" >/dev/null || true
