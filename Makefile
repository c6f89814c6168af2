# make env        set up .venv (once; a second call does nothing)
# make quickstart  generate hands, train two small models on the CPU, test and report (minutes)
# make test       lint, types and tests (sets up first where needed)
# make format     format and fix what ruff can fix
# make docs       build the documentation site into site/, strictly: a broken link or missing reference stops it
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help env quickstart test lint format docs clean
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

docs: env
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

clean:
	rm -rf .venv build site *.egg-info
