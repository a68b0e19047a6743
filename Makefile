# Everything is made in this folder: the environment in .venv, the demo's home in demo/.
# Recipes use relative paths only, so the folder's own name may hold spaces.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
JOBS ?= 2
PY := .venv/bin/python
PIP := $(PY) -m pip --quiet --disable-pip-version-check --no-cache-dir
READY := .venv/ready
SOURCES := src tests benchmarks tools

.PHONY: help demo test test-slow check bench format lock clean

help: ## say what there is
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

demo: $(READY) ## set up, then run the main job from a CSV to a served model
	@.venv/bin/millrace demo

test: $(READY) ## set up, then run the test suite
	@tools/in_temporary_folder $(PY) -m pytest -m "not slow" -n $(JOBS) --dist loadfile

test-slow: $(READY) ## the tests that take minutes
	@tools/in_temporary_folder $(PY) -m pytest -m slow

check: $(READY) ## lint, format, types, layers and size budgets
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	.venv/bin/lint-imports --no-logo
	$(PY) tools/check_budgets.py $(SOURCES)

bench: $(READY) ## measure each figure beside its bar
	@$(PY) -m benchmarks

format: $(READY) ## write the code as `make check` wants it
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

lock: $(READY) ## pin the dependencies anew; UPGRADE=1 takes the newest
	@.venv/bin/uv --no-cache --quiet pip compile pyproject.toml --extra postgres --extra dev --universal \
	  --python-version 3.11 --generate-hashes --no-header --no-annotate $(if $(UPGRADE),--upgrade) -o requirements.lock

clean: ## remove what the other verbs made, except .venv
	rm -rf demo build dist benchmarks/out .mypy_cache .ruff_cache .import_linter_cache .hypothesis

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Millrace needs Python 3.11 or newer: make PYTHON=...")'
	@test -x $(PY) || $(PYTHON) -m venv .venv || { rm -rf .venv; echo "Remedy: apt-get install python3-venv"; exit 1; }
	@echo "Setting up .venv (some minutes the first time)"
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@$(PY) -m compileall -q src # also where PYTHONDONTWRITEBYTECODE is set, which would make every start slow
	@touch $@
