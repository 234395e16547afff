# Every target makes the environment that it needs; `make` alone lists them.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow test-machine test-all check format docs bench clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/.run: pyproject.toml constraints.txt setup.py probe/recorder/_pen.c $(wildcard collectors/copies/*.[ch])
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if (3, 11) <= v < (3, 14) else f"liveprobe needs Python 3.11 to 3.13; {sys.executable} is {v.major}.{v.minor}. Say which: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.develop: $(VENV)/.run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test,check]'
	@touch $@

$(VENV)/.bench: $(VENV)/.develop
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	@touch $@

demo: $(VENV)/.run  ## run a live and a generating pipeline; ends with a report
	$(BIN)/liveprobe demo -o runs

test: $(VENV)/.develop  ## run the tests, two files at a time
	$(BIN)/python -m pytest -n 2 --dist loadfile

test-slow: $(VENV)/.develop  ## tests with independent witnesses: valgrind, bpftrace (root), long runs
	$(BIN)/python -m pytest -m slow

test-machine: $(VENV)/.develop  ## tests on the kernel's own drivers in QEMU: KERNEL=folder of an unpacked kernel package
	tests/machine/boot.sh $(KERNEL)

test-all:  ## run the tests on every Python from 3.11 to 3.13 that pyenv has
	@command -v pyenv >/dev/null || { echo "test-all needs pyenv; without it: make test PYTHON=python3.12 VENV=.venv-3.12"; exit 2; }
	@set -e; for version in $$(pyenv versions --bare | grep -E '^3\.1[123]\.[0-9]+$$'); do \
	    echo "== Python $$version"; \
	    $(MAKE) test PYTHON="$$(PYENV_VERSION=$$version pyenv which python)" VENV=".venv-$$version"; \
	done

check: $(VENV)/.develop  ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.develop  ## rewrite the files as `make check` wants them
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/.develop  ## write docs/audits.md and docs/support.md from the code
	$(BIN)/python tools/write_docs.py

bench: $(VENV)/.bench  ## measure what must be fast (minutes; a quiet machine helps)
	@set -e; for script in tests/bench/bench_*.py; do echo "== $$script"; $(BIN)/python $$script; done

clean:  ## remove the environments and what was built
	rm -rf .venv .venv-* build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	rm -f probe/recorder/*.so collectors/copies/*.so
