# make demo   sets everything up and audits 1,000 real chest radiographs
# make demo-mri   the same on drawn spine MR of 120 people, one site's necks moved by 43 mm
# make test   sets everything up and runs the tests (PYTEST_ARGS="-n 2 --dist loadfile": two at a time)
# make lint   checks format, style, types and stubs
# All may be run again at any time; what has not changed is not done twice.

SHELL := /bin/bash
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# the newest Python that FiftyOne supports and that really starts
PYTHON ?= $(shell for p in python3 python3.12 python3.11 python3.10; do \
	$$p -c 'import sys; raise SystemExit(not (3, 10) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null && echo $$p && break; done)

.PHONY: demo demo-mri docs test lint setup table1 clean
.DEFAULT_GOAL := demo

setup: $(STAMP)

$(STAMP): pyproject.toml setup.py
	@if [ -z "$(PYTHON)" ]; then echo "error: Python 3.10, 3.11 or 3.12 is needed, and none was found; pass PYTHON=/path/to/python3.11"; exit 2; fi
	@echo "== setting up $(VENV) with $$($(PYTHON) --version); the first time this installs about 5 GB =="
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --editable '.[test]'
	$(BIN)/daebias doctor --fix
	@touch $@

demo: $(STAMP)
	@$(BIN)/daebias demo $(if $(PRESET),--preset $(PRESET))

demo-mri: $(STAMP)
	@$(BIN)/daebias demo-mri

test: $(STAMP)
	$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/python tools/stubs.py --check
	$(BIN)/mypy

docs: $(STAMP)
	@$(BIN)/python -c 'import material' 2>/dev/null || $(BIN)/python -m pip install --quiet 'mkdocs-material>=9.5'
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet
	@echo "the documents are in build/site"

table1: $(STAMP)
	$(BIN)/python benchmarks/table1.py

clean:
	rm -rf $(VENV) build dist *.egg-info
