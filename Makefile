# make demo    install, then search the bundled samples      make check   format, lint, types, architecture
# make test    install with the test extra, then run pytest  make bench   benchmarks/ and anyseek bench
# make tiny    train the bundled family (hours on a CPU; ARGS=--smoke: the same steps in minutes)
# make browser-test    the web page in a real Chromium, which is installed where that is allowed
# Another Python: make PYTHON=python3.12 test. Options for pip: PIP_FLAGS="--index-url ...".

PYTHON ?= python3
PIP_FLAGS ?=
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_FLAGS) --constraint constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo test browser-test check format bench tiny train-base world-assets samples clean

help:
	@sed -n 's/^# //p' Makefile

$(VENV)/.stamp-base: pyproject.toml constraints.txt hatch_build.py
	@$(PYTHON) -c 'import sys; sys.exit("anyseek needs Python 3.11 or newer: make PYTHON=python3.12 ..." if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --editable '.[serve]'
	@touch $@

$(VENV)/.stamp-test: $(VENV)/.stamp-base
	$(PIP) --editable '.[test]'
	@touch $@

$(VENV)/.stamp-browser: $(VENV)/.stamp-test
	$(PIP) --editable '.[test,browser]'
	@touch $@

$(VENV)/.stamp-dev: $(VENV)/.stamp-test
	$(PIP) --editable '.[test,dev]'
	@touch $@

demo: $(VENV)/.stamp-base
	$(BIN)/anyseek demo

test: $(VENV)/.stamp-test
	$(BIN)/python -m pytest --ignore=tests/browser $(ARGS)

browser-test: $(VENV)/.stamp-browser
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null \
		|| { [ "$$(id -u)" = 0 ] && apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium; } \
		|| echo "there is no chromium here and it cannot be installed: the tests of the page will be skipped" >&2
	$(BIN)/python -m pytest tests/browser $(ARGS)

check: $(VENV)/.stamp-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy --strict src
	$(BIN)/python -m pytest -q tests/test_architecture.py tests/test_contracts.py

format: $(VENV)/.stamp-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.stamp-test
	@set -e; for script in benchmarks/[a-z]*.py; do echo "== $$script"; $(BIN)/python -m benchmarks.$$(basename $$script .py); done
	$(BIN)/anyseek bench

tiny: $(VENV)/.stamp-test
	$(BIN)/python -m recipes.family $(ARGS)

train-base: $(VENV)/.stamp-base
	$(BIN)/python -m recipes.base embedder runs/base
	$(BIN)/python -m recipes.base reranker runs/base --minutes 110 --steps 4000 --size 8
	$(BIN)/python -m recipes.base fuse runs/base
	$(BIN)/python -m recipes.base export runs/base

world-assets: $(VENV)/.stamp-test
	$(BIN)/python scripts/build_world_assets.py

samples: $(VENV)/.stamp-test
	$(BIN)/python scripts/build_samples.py

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache
