# Every target makes its own environment in .venv on first use; only Python >= 3.11 and make are needed.

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin
STAGE := build/typecheck

.PHONY: help demo examples test lint soak bench docs clean

help:  ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: $(VENV)/.demo  ## train a network on handwritten digits, with its formulas and kernels
	$(BIN)/python examples/digits.py

test: lint $(VENV)/.test  ## all that CI runs: lint, types, doctests, tests, examples
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal --durations=15

lint: $(VENV)/.test  ## ruff, and mypy --strict on the package as it is installed
	$(BIN)/ruff check .
	@rm -rf $(STAGE) && mkdir -p $(STAGE)
	@cp -Rp symbackprop $(STAGE)/ && cp -Rp codegen $(STAGE)/symbackprop/codegen
	cd $(STAGE) && ../../$(BIN)/mypy --config-file ../../pyproject.toml \
		--cache-dir ../../.mypy_cache -p symbackprop

soak: $(VENV)/.test  ## 2,000 random networks through the interpreter and as many through kernels
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m soak

bench: $(VENV)/.bench  ## times of everything a user waits for, against JAX, PyTorch, scikit-learn, PyTensor
	$(BIN)/python -m benchmarks $(BENCH)

docs: $(VENV)/.demo  ## write the tables of rules, from the rows themselves, into docs/
	$(BIN)/python docs/build.py

clean:  ## remove the environment and everything generated
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache benchmarks/results \
		benchmarks/.peers

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "symbackprop needs Python 3.11 or later; none was found." \
		"Name one: make PYTHON=/path/to/python3.11 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.%: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[$*]"
	@touch $@
