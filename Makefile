# make env         install everything into .venv; a second call does nothing
# make quickstart  render hands, train two small models on the CPU, test them and write a report (minutes)
# make test        check style and types, and run the tests
# make lint        check style and types
# make format      format the code, and fix what ruff can fix
# make docs        build the documentation into site/; a broken link or a missing reference is an error
# make clean       delete .venv and everything that was built
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
	$(BIN)/pytest --numprocesses auto --maxprocesses 4 --dist worksteal

format: env
	$(BIN)/ruff check --fix-only --exit-zero .
	$(BIN)/ruff format .

docs: env
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

clean:
	rm -rf .venv build site *.egg-info
