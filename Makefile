# Everything runs in a virtual environment of its own, made on first use.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO ?= demo

.PHONY: demo test test-what-people-use test-beneath lint benchmark clean

demo: $(VENV)/.installed
	$(BIN)/radiocov demo $(DEMO)

test: $(VENV)/.installed-test
	$(BIN)/lint-imports
	$(BIN)/ruff check .
	$(MAKE) --no-print-directory --jobs=2 test-what-people-use test-beneath

# two halves of the suite, side by side
PEOPLE := tests/cli tests/maps tests/web

test-what-people-use:
	$(BIN)/python -m pytest $(PEOPLE)

test-beneath:
	$(BIN)/python -m pytest tests $(PEOPLE:%=--ignore=%)

benchmark: $(VENV)/.installed-test
	$(BIN)/python tests/benchmarks/propagation.py

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/lint-imports

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed; PYTHON=... chooses one")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check --constraint constraints.txt --editable .
	touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check --constraint constraints.txt --editable '.[test]'
	touch $@

clean:
	rm -rf $(VENV) demo out build dist
