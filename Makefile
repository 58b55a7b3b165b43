PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
MATRIX_PYTHON ?= python3.13
WORKERS ?= 3
# Tests start hundreds of processes; without it each of them would compile what it imports.
export PYTHONDONTWRITEBYTECODE =

.PHONY: help demo test test-matrix test-agents lint typecheck format bench soak fuzz clean

help:  ## Show what can be made
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(VENV)/.ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --disable-pip-version-check -e '.[test,lint]'
	@touch $@

demo: $(VENV)/.ready  ## Show the main job without an account or a key
	@$(BIN)/ringlet-mitm demo

test: $(VENV)/.ready  ## Run all tests
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

test-matrix: test  ## Run them also on Python 3.13 with mitmproxy 12
	$(MAKE) test VENV=.venv-matrix PYTHON=$(MATRIX_PYTHON)

test-agents: $(VENV)/.ready  ## Run four real agents (from npm) on each of the four formats
	cd tests && ../$(BIN)/python -m agents

lint: $(VENV)/.ready typecheck  ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

typecheck: $(VENV)/.ready
	@mkdir -p .typing/ringlet_mitm
	@for room in rules addons cli; do ln -sfn ../../$$room .typing/ringlet_mitm/$$room; done
	cd .typing && ../$(BIN)/mypy --config-file ../pyproject.toml --explicit-package-bases ringlet_mitm

format: $(VENV)/.ready  ## Format the code
	$(BIN)/ruff check -q --fix . ; $(BIN)/ruff format .

bench: $(VENV)/.ready  ## Measure against plain mitmdump in the same run
	$(BIN)/python tests/bench/bench.py

soak: $(VENV)/.ready  ## Serve 200 agents for 10 minutes while everything around fails
	cd tests && ../$(BIN)/python -m soak $(SOAK)

fuzz: $(VENV)/.ready  ## Say malformed HTTP and TLS to a proxy that serves agents
	cd tests && ../$(BIN)/python -m soak.fuzz $(FUZZ)

clean:  ## Remove what was made
	rm -rf .venv .venv-matrix .typing .pytest_cache .mypy_cache .ruff_cache .hypothesis build *.egg-info
