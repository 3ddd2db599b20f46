# make demo    a recorded incident, replayed through the real daemon: no cluster needed, half a minute
# make test    the fast tests
# make lint    style, types and the contracts between the packages
# make chart   the copies in the Helm chart of deploy/prometheus/*rules.yaml and deploy/grafana, and docs/helm-values.md
# make docs    the documents as a site, in build/site; a link that leads nowhere ends it
# make lock    the pins in requirements/ made anew, from pyproject.toml and what is newest
# make sbom    what is in the image: build/sbom.json (CycloneDX) and docs/licences.md
# make wheel   dist/ingress_enricher-*.whl, the same bytes wherever it is built
# make archive dist/enricher-*.tar.gz, the commands with a Python of their own, for this kind of machine
# make krew    dist/enricher.yaml for the archives in dist, by which krew installs them from REPOSITORY=OWNER/NAME
# make manifest dist/daemonset.yaml, which is deploy/daemonset.yaml with the image that IMAGE=... names
# Each makes its own virtual environment in .venv first; all it needs is Python 3.11 or newer (PYTHON=... picks one).

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: help demo test lint chart docs lock sbom wheel archive krew manifest
.NOTPARALLEL:

help:
	@sed -n '1,12s/^# //p' $(firstword $(MAKEFILE_LIST))

demo: .venv/installed
	$(BIN)/python -m demo

test: .venv/installed-dev
	$(BIN)/python -m pytest --numprocesses auto --dist worksteal

lint: .venv/installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

chart: .venv/installed
	rm -rf deploy/helm/enricher/files
	mkdir -p deploy/helm/enricher/files/grafana
	for file in deploy/prometheus/*rules.yaml; do test ! -e $$file || cp $$file deploy/helm/enricher/files/; done
	for file in deploy/grafana/*.json; do test ! -e $$file || cp $$file deploy/helm/enricher/files/grafana/; done
	mkdir -p build
	$(BIN)/python deploy/helm/values_table.py >build/helm-values.md
	mv build/helm-values.md docs/helm-values.md

docs: .venv/installed-docs
	$(BIN)/mkdocs build --quiet --strict

# For every Python that we support and every platform: the markers in the files say what is for which. In a file of its
# own goes what only the build needs.
LOCK := $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
  --no-annotate --custom-compile-command 'make lock'
ASKED := $(BIN)/python -c 'import functools, sys, tomllib; \
  whole = tomllib.load(open("pyproject.toml", "rb")); \
  print(*functools.reduce(lambda table, key: table[key], sys.argv[1:], whole), sep="\n")'

lock: .venv/installed-release
	$(ASKED) project dependencies | grep --invert-match --word-regexp $$($(ASKED) tool enricher terminal | sed 's/^/-e /') \
	  | $(LOCK) - -o requirements/enricher.txt
	{ $(ASKED) project dependencies; $(ASKED) project optional-dependencies archive; } | $(LOCK) - -o requirements/archive.txt
	$(ASKED) project optional-dependencies backend | $(LOCK) - -o requirements/backend.txt
	$(ASKED) build-system requires | $(LOCK) - -o requirements/build.txt

# The image's environment made here, from the same pins by the same pip options.
sbom: .venv/installed-release
	rm -rf build/image
	$(PYTHON) -m venv --without-pip build/image
	$(PIP) --python build/image/bin/python install --require-hashes --requirement requirements/enricher.txt
	$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
	  --output-file build/sbom.json build/image/bin/python
	$(BIN)/python .ci/licences.py <build/sbom.json >build/licences.md
	mv build/licences.md docs/licences.md

wheel: .venv/installed-build
	PYTHON=$(BIN)/python .ci/wheel . dist

archive: | $(BIN)/python
	rm -rf build/archive dist/enricher-*.tar.gz
	$(PYTHON) -m venv build/archive/venv
	$(PIP) --python build/archive/venv/bin/python install --require-hashes --requirement requirements/archive.txt
	PYTHON=build/archive/venv/bin/python .ci/wheel . build/archive
	$(PIP) --python build/archive/venv/bin/python install --no-deps --no-index --find-links build/archive ingress-enricher
	PYTHONHASHSEED=0 SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) \
	  build/archive/venv/bin/python .ci/archive.py build/archive/*.whl

krew: .venv/installed
	$(BIN)/python .ci/krew.py $(REPOSITORY) dist

manifest:
	test -n "$(IMAGE)"
	mkdir -p dist
	sed 's#image: enricher:.*#image: $(IMAGE)#' deploy/daemonset.yaml >dist/daemonset.yaml

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

.venv/installed-release: pyproject.toml | $(BIN)/python
	$(PIP) install --editable '.[release]'
	@touch $@

.venv/installed-docs: pyproject.toml | $(BIN)/python
	$(PIP) install --editable '.[docs]'
	@touch $@

.venv/installed-build: requirements/build.txt | $(BIN)/python
	$(PIP) install --require-hashes --requirement requirements/build.txt
	@touch $@
