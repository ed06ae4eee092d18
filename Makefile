# From a fresh clone: `make demo`, `make test` (a quarter of an hour at most), `make test-all` (an
# hour at most). Each makes its own .venv. On Linux without an NVIDIA GPU it holds the CPU build of
# torch, which saves gigabytes of CUDA; TORCH_INDEX=ADDRESS names another index, TORCH_INDEX= none.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test test-all check unit all-tests format clean

demo: $(VENV)/installed
	$(BIN)/tapetum demo

test: check unit

test-all: check all-tests

# What a machine can say about the code without running it.
check: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Each test within its budget of CPU seconds (tests/conftest.py).
unit: $(VENV)/installed
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --durations=15 -m "not slow"

all-tests: $(VENV)/installed
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --durations=15

format: $(VENV)/installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	index=$$($(BIN)/python .ci/torch_index.py) && \
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt \
		$${index:+--extra-index-url "$$index"} -e ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info
