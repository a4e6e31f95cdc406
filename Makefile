# One command each. `make demo` and `make test` work on a fresh clone with python3 and make.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
PY := $(VENV)/bin/python

# Tests start the program thousands of times: it is compiled once, whatever is set where they run.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test test-all coverage lint bench matrix readme screenshots wheel clean packages

help:
	@echo "make demo         open the program on a demo store (made on first use; no root, no server)"
	@echo "make test         lint, types, import rules and the tests (35 to 50 minutes on 2 cores)"
	@echo "make test-all     the same, with the worlds of the conformance suite that make test leaves out"
	@echo "make lint         lint, types and import rules alone"
	@echo "make coverage     which lines the tests run (as long as make test-all, and a half)"
	@echo "make bench        the figures of docs/figures.md, measured here"
	@echo "make matrix       the table of types and cases in docs/matrix.md again, from a run of the conformance suite"
	@echo "make readme       the generated parts of docs/ again"
	@echo "make screenshots  screenshots/*.svg again, from the demo"
	@echo "make wheel        dist/*.whl"
	@echo "make clean        what the others made"

$(VENV)/.run: pyproject.toml .ci/constraints.txt .ci/venv
	@.ci/venv $(VENV) .
	@touch $@

$(VENV)/.dev: pyproject.toml .ci/constraints.txt .ci/venv
	@.ci/venv $(VENV) '.[dev]'
	@touch $@ $(VENV)/.run

demo: $(VENV)/.run
	@$(VENV)/bin/dysnomia-tui demo

packages:
	@.ci/packages
	@.ci/applications

lint: $(VENV)/.dev
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

# Tests of one server or one terminal stay together (xdist_group), the others are dealt to three workers: two processors
# have time for a third, since much of it is waiting. pytest comes last,
# so that its summary is what one sees.
test: packages lint
	$(PY) -m pytest -q -n 3 --dist loadgroup -m "not worlds"

# Each type in every world there is (docs/matrix.md): other owners, every kind of object, after changes, other servers;
# killed at every step and on both sides of it; and what is tried at random is tried oftener.
test-all: packages lint
	DYSNOMIA_THOROUGH=1 $(PY) -m pytest -q -n 3 --dist loadgroup

# Programs that tests start are measured too: each writes a file of its own, and they are put together at the end. What
# measures is imported as well, so that tests of what is imported fail: the figures come all the same.
DEPLOYING := $(addprefix tests/plugins/,managed process supervisord systemd sysvinit xinetd)
coverage: packages $(VENV)/.dev
	rm -f .coverage .coverage.*
	-COVERAGE_FILE=$(CURDIR)/.coverage $(PY) -m pytest -q -n 3 --dist loadgroup --cov --cov-config=pyproject.toml --cov-report=
	-COVERAGE_FILE=$(CURDIR)/.coverage $(PY) -m pytest -q -n 3 --dist loadgroup --cov --cov-append --cov-config=.ci/coverage-workers.toml --cov-report= $(DEPLOYING)
	$(PY) -m coverage report --skip-covered --sort=cover

bench: packages $(VENV)/.dev
	@.ci/packages restic borgbackup
	$(PY) -m tests.benchmarks --readme

matrix: packages $(VENV)/.dev
	$(PY) -m tests.matrix

readme: $(VENV)/.dev
	$(PY) -m tests.readme

screenshots: $(VENV)/.dev
	$(PY) -m tests.e2e.screenshots screenshots

wheel: $(VENV)/.dev
	$(PY) -m build --wheel

clean:
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .benchmarks .coverage* snapshot_report.html
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
