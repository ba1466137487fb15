# make demo · make test · make lint · make bench · make cluster. Everything installs itself on first use.
SHELL := /bin/bash
# The environment must be readable by the test cluster's users, so root takes the system's Python where it is new enough.
PYTHON ?= $(shell tests/prepare.sh python)
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lint bench cluster clean

$(VENV)/ready: pyproject.toml
	tests/prepare.sh venv "$(PYTHON)" "$(VENV)"
	touch $@

demo: $(VENV)/ready
	$(BIN)/python -m tests.demo

test: $(VENV)/ready lint
	tests/prepare.sh slurm
	$(BIN)/python -m pytest

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/ready
	$(BIN)/python -m tests.bench

cluster: $(VENV)/ready
	tests/prepare.sh slurm
	$(BIN)/python -m tests.slurm up

clean:
	rm -rf $(VENV) .cache demo
