# make demo    a recorded incident, replayed through the real daemon: no cluster needed, half a minute
# make test    the fast tests
# make lint    style, types and the contracts between the packages
# make chart   the copies in the Helm chart of deploy/prometheus/rules.yaml and deploy/grafana, made anew
# make man     docs/enricher.1 anew, after a change of the options
# Each makes its own virtual environment in .venv first; all it needs is Python 3.11 or newer (PYTHON=... picks one).

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: help demo test lint chart man
.NOTPARALLEL:

help:
	@sed -n '1,6s/^# //p' $(firstword $(MAKEFILE_LIST))

demo: .venv/installed
	$(BIN)/python -m enricher.demo

test: .venv/installed-dev
	$(BIN)/python -m pytest

lint: .venv/installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

chart:
	rm -rf deploy/helm/enricher/files
	mkdir -p deploy/helm/enricher/files/grafana
	for file in deploy/prometheus/rules.yaml; do test ! -e $$file || cp $$file deploy/helm/enricher/files/; done
	for file in deploy/grafana/*.json; do test ! -e $$file || cp $$file deploy/helm/enricher/files/grafana/; done

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
