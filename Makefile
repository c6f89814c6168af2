# make env        set up .venv (once; a second call does nothing)
# make quickstart  generate hands, train two small models on the CPU, test and report (minutes)
# make test       lint, types and tests (sets up first where needed)
# make format     format and fix what ruff can fix
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help env quickstart test lint format clean
help:
	@sed -n 's/^# //p' Makefile

env:
	@$(PYTHON) tools/install.py

quickstart: env
	$(BIN)/python tools/quickstart.py $(ARGS)

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
