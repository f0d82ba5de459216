# `make study` answers a question; `make test` passes the tests. Both work on a bare checkout.
PYTHON ?= python3.11
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.DEFAULT_GOAL := help
.PHONY: help study test check pytest bench clean

help:  ## print this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

study: .venv/lab  ## train with and without dropout, compare, write a report
	$(BIN)/thinned study dropout

test: check pytest  ## everything that must hold before a commit

check: .venv/dev  ## lint, format, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

pytest: .venv/dev  ## the tests and every example in the documentation
	$(BIN)/python -m pytest --numprocesses=auto --dist=loadgroup $(ARGS)

bench: .venv/dev  ## measure, and write results with versions and the processor's name
	$(BIN)/python benchmarks/run.py

clean:  ## remove the environment
	rm -rf .venv

.venv/python:
	$(PYTHON) -m venv .venv
	@touch $@

.venv/lab: .venv/python pyproject.toml constraints.txt
	$(PIP) --editable '.[lab]'
	@touch $@

.venv/dev: .venv/lab
	$(PIP) --editable '.[lab,dev]'
	@touch $@
