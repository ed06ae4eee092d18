# Two commands from a fresh clone: `make demo` and `make test`. Each makes its own .venv.
# On Linux without a GPU TORCH_INDEX=https://download.pytorch.org/whl/cpu saves gigabytes of CUDA.
PYTHON ?= python3
TORCH_INDEX ?=
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test check unit format clean

demo: $(VENV)/installed
	$(BIN)/tapetum demo

test: check unit

# What a machine can say about the code without running it.
check: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: $(VENV)/installed
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --durations=15

format: $(VENV)/installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt \
		$(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) -e ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info
