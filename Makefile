# make demo    a recorded incident, replayed through the real daemon: no cluster needed, half a minute
# make test    the fast tests
# make lint    style, types and the contracts between the packages
# make man     docs/enricher.1 anew, after a change of the options
# Each makes its own virtual environment in .venv first; all it needs is Python 3.11 or newer (PYTHON=... picks one).

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: help demo test lint man
.NOTPARALLEL:

help:
	@sed -n '1,5s/^# //p' $(firstword $(MAKEFILE_LIST))

demo: .venv/installed
	$(BIN)/python -m enricher.demo

test: .venv/installed-dev
	$(BIN)/python -m pytest

lint: .venv/installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

man: .venv/installed
	$(BIN)/python -m enricher.manual >docs/enricher.1

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; PYTHON=... picks one")'
	$(PYTHON) -m venv .venv

# Stamps: what is installed stays installed until pyproject.toml asks for something else.
.venv/installed: pyproject.toml | $(BIN)/python
	$(PIP) install --editable .
	@touch $@

.venv/installed-dev: pyproject.toml | $(BIN)/python
	$(PIP) install --editable '.[dev]'
	@touch .venv/installed $@
