# make env        set up .venv (once; a second call does nothing)
# make test       lint, types and tests (sets up first where needed)
# make format     format and mend what ruff can mend
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help env test lint format clean
help:
	@sed -n 's/^# //p' Makefile

env:
	@$(PYTHON) tools/install.py

lint: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint
	$(BIN)/pytest

format: env
	$(BIN)/ruff check --fix-only --exit-zero .
	$(BIN)/ruff format .

clean:
	rm -rf .venv build *.egg-info
