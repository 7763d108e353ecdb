# Everything a developer or CI runs. PYTHON chooses the interpreter; all else lives in .venv.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
CORES  := $(shell $(PYTHON) -c 'import os; print(os.cpu_count())')

.PHONY: setup demo test slow lint types docs bench golden check clean

$(VENV)/installed: pyproject.toml
	@echo "Installing into $(VENV). PyTorch and what it needs are several GB: some minutes, by your network."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -e .
	touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	touch $@

setup: $(VENV)/installed-dev          ## the environment for development

demo: $(VENV)/installed               ## install, then a real study on the embedded default
	$(BIN)/seedbed demo

test: $(VENV)/installed-dev           ## install, then the tests
	$(BIN)/python -m pytest -n $(CORES)

slow: $(VENV)/installed-dev           ## simulations, large networks, long fuzzing, browser, kill and resume
	$(BIN)/python -m pytest -m "slow or hypothesis" --hypothesis-profile full -s

lint: $(VENV)/installed-dev
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/lint-imports

types: $(VENV)/installed-dev
	$(BIN)/pyright --pythonpath $(BIN)/python

docs: $(VENV)/installed-dev
	$(BIN)/sphinx-build -W -q -b html docs docs/_build

BENCHMARKS := batches by_hand codes million packing readouts toy_rate training_loop views whole_arm detection_ap

bench: $(VENV)/installed-dev          ## ratios, side by side, into docs/benchmarks; some want SEEDBED_DATA
	for name in $(BENCHMARKS); do $(BIN)/python benchmarks/$$name.py --pages docs/benchmarks || exit 1; done

golden: $(VENV)/installed-dev         ## write the golden files anew, after looking at the difference
	$(BIN)/python -m pytest tests/golden --update-golden

check: lint types docs test           ## what CI runs

clean:
	rm -rf $(VENV) docs/_build seedbed-demo
