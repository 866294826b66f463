# Needs Python 3.11 or newer, make and a network at the first run; everything else comes from the lock files.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CODE := $(wildcard service consumers standings tests benchmarks deploy)

# The one folder where the embedded Kafka and Valkey keep jars and data.
STANDINGS_HOME ?= $(CURDIR)/.standings
export STANDINGS_HOME

.DEFAULT_GOAL := help
.PHONY: help run test chaos check bench lock sbom clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1	/p' Makefile | awk -F '\t' '{ printf "make %-7s %s\n", $$1, $$2 }'

run: $(VENV)/runtime ## everything on this machine, with a demo league, until Ctrl-C
	@$(BIN)/standings up $(ARGS)

# Tests wait for servers half of their time. Each process has a Kafka and a Valkey of its own, and takes whole files.
test: $(VENV)/dev ## the tests, three files at a time; ARGS="tests/unit -k elo" chooses some, one at a time
	@$(BIN)/python -m pytest $(or $(ARGS),--numprocesses 3 --dist loadfile --no-loadscope-reorder)

chaos: $(VENV)/dev ## random faults under load, then the oracle; SECONDS=60 SEED=7 choose
	@$(BIN)/python -m pytest tests/faults/long_faults.py tests/faults/long_hostile.py
	@$(BIN)/python -m tests.chaos $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SEED),--seed $(SEED))

check: $(VENV)/dev ## format, lint, types, import rules
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy $(CODE)
	@$(BIN)/lint-imports

bench: $(VENV)/dev ## the benchmarks
	@$(BIN)/python -m benchmarks $(ARGS)

lock: $(VENV)/dev ## pin anew: Python packages with hashes, Kafka's jars; ARGS=--upgrade for newer ones
	@$(COMPILE) --group build $(ARGS) -o requirements.lock
	@$(COMPILE) --extra local --group build --constraints requirements.lock $(ARGS) -o requirements-local.lock
	@$(COMPILE) --extra local --group build --group dev --constraints requirements-local.lock $(ARGS) -o requirements-dev.lock
	@$(BIN)/python -c 'from standings.embedded.download import write_pins; write_pins()'

# Without what is made up on the way, the same lock file gives the same bytes.
sbom: $(VENV)/dev ## the image's bill of materials, CycloneDX, from requirements.lock: sbom.json
	@PYTHONWARNINGS=ignore $(BIN)/cyclonedx-py requirements requirements.lock --pyproject pyproject.toml \
		--output-reproducible --output-file sbom.json

clean: ## remove what make made: environment, caches, the embedded servers' data
	rm -rf $(VENV) .standings build *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# One version of a package for every Python, so that what is tested is what runs.
COMPILE = $(BIN)/uv --system-certs pip compile pyproject.toml --quiet --universal --python-version 3.11 \
	--fork-strategy fewest --generate-hashes --custom-compile-command 'make lock'

# uv installs in seconds what takes pip half a minute. It reads no pip configuration, so where an index or a certificate
# is named only there, pip does the work. Compiled here, or where PYTHONDONTWRITEBYTECODE is set every start takes 8 s.
INSTALL = echo 'Installing into $(VENV) (once)' \
	&& { VIRTUAL_ENV=$(VENV) $(BIN)/uv --system-certs pip install --quiet --compile-bytecode --require-hashes -r $(1) \
		|| $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(1); } \
	&& $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation \
		--config-settings editable_mode=compat -e .

# Written last, so that an interrupted installation is done again.
$(VENV)/runtime: requirements-local.lock pyproject.toml $(VENV)/uv
	@$(call INSTALL,requirements-local.lock) && touch $@

$(VENV)/dev: requirements-dev.lock pyproject.toml $(VENV)/uv
	@$(call INSTALL,requirements-dev.lock) && touch $@ $(VENV)/runtime

$(VENV)/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
		|| { echo "Standings needs Python 3.11 or newer, not $$($(PYTHON) --version 2>&1); say which: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@sed -n '/^uv==/,/[^\\]$$/p' requirements-dev.lock >$(VENV)/uv.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(VENV)/uv.txt && touch $@
