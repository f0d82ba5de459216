# `make study` answers a question; `make test` passes the tests. Both work on a bare checkout.
PYTHON ?= python3.11
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.DEFAULT_GOAL := help
.PHONY: help study test test-long test-mxnet test-gpu check pytest bench bench-mxnet clean

help:  ## print this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

study: .venv/lab  ## train with and without dropout, compare, write a report
	$(BIN)/thinned study dropout

test: check pytest  ## everything that must hold before a commit

check: .venv/dev  ## lint, format, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

pytest: .venv/dev  ## the tests and every example in the documentation
	$(BIN)/python -m pytest --numprocesses=auto --dist=loadgroup -m "not long" $(ARGS)

test-long: .venv/dev  ## the tests that take too long for every commit: clusters, stacked trials, kills, other backends
	$(BIN)/python -m pytest --numprocesses=auto --dist=loadgroup -m long $(ARGS)

test-mxnet: .venv-mxnet/dev  ## the same for MXNet, which needs an environment of its own
	.venv-mxnet/bin/python -m pytest -W ignore::DeprecationWarning $(ARGS) \
		tests/mxnet src/thinned/mxnet docs/frameworks/mxnet.md tests/mask tests/kernels tests/numpy

test-gpu: .venv/dev .triton/dev  ## the GPU kernel's tests, in Triton's interpreter where there is no GPU
	PYTHONPATH=.triton $(BIN)/python -m pytest $(ARGS) tests/kernels/test_gpu.py

bench: .venv/dev  ## measure, and write results with versions and the processor's name
	export TF_CPP_MIN_LOG_LEVEL=3; for each in torch methods compact numpy jax tensorflow keras; do $(BIN)/python benchmarks/$${each}_speed.py || exit 1; done

bench-mxnet: .venv-mxnet/dev  ## the same for MXNet
	.venv-mxnet/bin/python -W ignore benchmarks/mxnet_speed.py

clean:  ## remove the environment
	rm -rf .venv .venv-mxnet .triton

.venv/python:
	$(PYTHON) -m venv .venv
	@touch $@

.venv/lab: .venv/python pyproject.toml constraints.txt
	$(PIP) --editable '.[lab]'
	@touch $@

.venv/dev: .venv/lab
	$(PIP) --editable '.[lab,dev]'
	@touch $@

.triton/dev: constraints.txt
	$(PIP) --no-deps --target .triton triton
	@touch $@

.venv-mxnet/dev: pyproject.toml constraints-mxnet.txt
	$(PYTHON) -m venv .venv-mxnet
	.venv-mxnet/bin/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints-mxnet.txt --requirement constraints-mxnet.txt --editable '.[mxnet]'
	@touch $@
