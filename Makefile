# make demo · test · lint · docs · figures · bench · validation · reliability · cluster. Everything installs itself on first use.
SHELL := /bin/bash
# The environment must be readable by the test cluster's users, so root takes the system's Python where it is new enough.
PYTHON ?= $(shell tests/prepare.sh python)
VENV := .venv
BIN := $(VENV)/bin
LONG := $(addprefix tests/slurm/,sessions/test_reliability_slow.py sessions/test_reliability_jobs.py runs/test_run_faults.py \
	sessions/test_proof.py::test_a_session_whose_job_was_given_another_name)
SPRING := tests/jobs/spring_index $(wildcard tests/jobs/test_*.py)
LANES := test-sessions test-clusters test-pages test-spring test-laptop test-jobs test-contracts

.PHONY: demo figures test $(LANES) lint docs lock bench validation reliability cluster clean

$(VENV)/ready: pyproject.toml config/environment.lock
	tests/prepare.sh venv "$(PYTHON)" "$(VENV)"
	touch $@

# What a user would type, one after the other.
demo: $(VENV)/ready
	@mkdir -p demo && cp docs/notebooks/demo.ipynb demo/map.ipynb
	@$(BIN)/springline stop demo --platform local >/dev/null 2>&1 || true
	$(BIN)/python -m jobs.spring_index.sample demo/daymet --years 2000:2001 --size 120
	$(BIN)/springline up local --name demo --root demo --detach
	$(BIN)/springline run --session demo spring-index --input demo/daymet --output demo/spring.zarr --plot --overwrite
	DASK_CONFIG=~/.springline/sessions/demo/dask $(BIN)/jupyter nbconvert --to notebook --execute --inplace \
		--log-level WARN demo/map.ipynb 2> >(grep -v 'Kernel is running over TCP' >&2)
	@echo
	@echo "map         demo/spring.zarr.png"
	@echo "JupyterLab  $$($(BIN)/springline url demo --page lab/tree/map.ipynb --show-token)"
	@echo "stop it     $(BIN)/springline stop demo"

test: $(VENV)/ready lint
	tests/prepare.sh slurm
	@echo "not run here, for their minutes: $(LONG); make reliability runs them"
	@$(MAKE) --no-print-directory --jobs=4 --output-sync=target --keep-going $(LANES)

# Four side by side on two cores, the longest first: what waits for clusters and browsers beside what computes. Where one
# ends the next begins, last what waits for silence on a line.
test-sessions:
	$(BIN)/python -m pytest tests/slurm/sessions $(addprefix --deselect=,$(LONG))

test-clusters:
	$(BIN)/python -m pytest tests/slurm --ignore=tests/slurm/sessions $(addprefix --deselect=,$(LONG))

test-spring:
	$(BIN)/python -m pytest $(SPRING) tests/validation tests/bench

test-jobs:
	$(BIN)/python -m pytest tests/jobs $(addprefix --ignore=,$(SPRING))

test-laptop:
	$(BIN)/python -m pytest tests/launcher tests/test_architecture.py

test-contracts:
	$(BIN)/python -m pytest tests/contracts

test-pages:
	$(BIN)/python -m pytest tests/docs tests/browser

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The pages, all anew but for notebooks that have not changed: .cache/docs/html/index.html. A warning is an error.
docs: $(VENV)/ready
	@rm -rf .cache/docs/html
	@SPRINGLINE_DOCS_NOTEBOOKS=cache $(BIN)/python -m sphinx -b html -E -W --keep-going --jobs auto --quiet -d .cache/docs/pages docs .cache/docs/html \
		2> >(grep -v 'Kernel is running over TCP' >&2)
	@echo "pages       .cache/docs/html/index.html"

# The versions that are tested here and installed on clusters, for every Python and system. UPGRADE=--upgrade takes the newest.
lock: $(VENV)/ready
	$(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-annotate --quiet \
		--custom-compile-command "make lock" --all-extras $(UPGRADE) --output-file config/environment.lock

# docs/performance.md: the benches, or those of BENCH, each beside the alternative.
bench: $(VENV)/ready
	$(BIN)/python -m tests.bench --page $(BENCH)

# How right spring-index is: docs/validation.md and its figures, computed anew; fails where a promise is broken.
validation: $(VENV)/ready
	$(BIN)/python -m tests.validation

# The figures of the jobs' pages, by springline's own commands; where test data or a browser are missing, it says which are not made.
figures: $(VENV)/ready
	$(BIN)/python -m tests.figures

# The table of faults: injected on the test cluster, written down as seen. A run that misses a row writes nothing.
reliability: $(VENV)/ready
	tests/prepare.sh slurm
	rm -f .cache/reliability.md .cache/run-faults.md
	$(BIN)/python -m pytest tests/slurm/sessions/test_reliability.py $(LONG)
	cp .cache/reliability.md .cache/run-faults.md docs/

cluster: $(VENV)/ready
	tests/prepare.sh slurm
	$(BIN)/python -m tests.slurm up

clean:
	rm -rf $(VENV) .cache demo
