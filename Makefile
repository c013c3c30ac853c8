# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
EXTRAS ?= dev
# One more than there are processors: a test mostly waits for a server.
WORKERS ?= $(shell expr `getconf _NPROCESSORS_ONLN` + 1)
SIDE_BY_SIDE = --numprocesses $(WORKERS) --dist loadfile

.PHONY: help
help: ## Show what can be made.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

.venv/installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --constraint constraints.txt --editable '.[$(EXTRAS)]' \
	  || $(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[$(EXTRAS)]'
	touch $@

.PHONY: demo up
demo: .venv/installed ## Import three example tenants with a real Airflow, print what landed, stop.
	$(BIN)/python -m demo

up: .venv/installed ## The same, and stay: prints the address of the UI.
	$(BIN)/python -m demo --stay

.PHONY: test test-core chaos
test: .venv/installed ## Run every test that needs no outside account.
	$(BIN)/python -m pytest $(SIDE_BY_SIDE)

# The suites of the other sinks, and those of web APIs, take half an hour and know nothing of
# Airflow: `make test` runs them.
ELSEWHERE = $(foreach sink,clickhouse delta postgres,--ignore-glob 'tests/core/sinks/test_$(sink)*.py') \
  --ignore-glob '*_faults.py' --ignore-glob '*_fault_plan.py' --ignore-glob '*_conformance.py'

test-core: ## Run the core's tests, kills excepted, in an environment without Airflow.
	test -x .venv-core/bin/python || $(PYTHON) -m venv .venv-core
	.venv-core/bin/python -m pip install --quiet uv
	.venv-core/bin/python -m demo.core_requirements > .venv-core/requirements.txt
	.venv-core/bin/uv pip install --quiet --python .venv-core/bin/python --constraint constraints.txt -r .venv-core/requirements.txt
	.venv-core/bin/uv pip install --quiet --python .venv-core/bin/python --no-deps --editable .
	.venv-core/bin/python -m pytest $(SIDE_BY_SIDE) tests/core -m 'not chaos' $(ELSEWHERE)

chaos: .venv/installed ## Kill loads 200 times at random points and compare with an undisturbed run.
	SPOTIFY_IMPORTS_KILLS=200 $(BIN)/python -m pytest -m chaos --timeout 7200

.PHONY: check format
check: .venv/installed ## Lint, types and architecture contracts.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/installed ## Format the code and mend what ruff can.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: schema constraints bench docs clean
schema: .venv/installed ## Write the JSON Schema of a tenant's YAML from the models.
	$(BIN)/spotify-imports schema --write

constraints: .venv/installed ## Add what constraints.txt lacks, for Python 3.11; UPGRADE=--upgrade: all anew.
	$(BIN)/uv pip compile --quiet --python-version 3.11 --no-emit-index-url --no-header --no-annotate \
	  $(UPGRADE) --extra dev pyproject.toml --output-file constraints.txt

bench: .venv/installed ## Measure against peers; prints ratios, writes JSON and a plot.
	$(BIN)/python -m benchmarks

docs: .venv/installed ## Write the reference pages from the code.
	$(BIN)/python -m docs

clean: ## Remove what the other targets made.
	rm -rf .venv .venv-core .demo .cache
