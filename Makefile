# `make demo` and `make test` need nothing but Python >= 3.11 and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test check bench format clean

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

# The whole miniature grid: eleven rows, nine targets, no network.
demo: $(READY)
	$(BIN)/xharness run suites/xtreme.toml

test: $(READY)
	$(BIN)/python -m pytest -q

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Speed beside what users would use, then dev scores beside transformers' own examples: CHECKPOINT is a folder or a
# repository on the Hub, from which the data come, too.
bench: $(READY)
	@test -n "$(CHECKPOINT)" || { echo "say which encoder: make bench CHECKPOINT=intfloat/multilingual-e5-small"; exit 2; }
	$(BIN)/python tests/benchmarks/peers.py $(CHECKPOINT)
	$(BIN)/python tests/benchmarks/parity.py $(CHECKPOINT)

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) .xharness build dist .pytest_cache .ruff_cache .mypy_cache .hypothesis
