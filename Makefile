# The commands that stay the same for good. Everything but PYTHON comes from the virtual environment.
PYTHON ?= python3
PY := .venv/bin/python

.PHONY: venv packages up down status check test long bench

venv:
	@$(PYTHON) -m lab.venv

packages: venv
	@$(PY) -m lab packages

up: venv
	@$(PY) -m lab up

down: venv
	@$(PY) -m lab down

status: venv
	@$(PY) -m lab status

# Lint, types and unit tests: no host needed.
check: packages
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy .
	shellcheck $$(git ls-files '*.sh' .ci/run ':(glob)lab/node/**/usr/local/lib/lab/*')
	$(PY) -m pytest -n 2 --dist loadfile -m "not lab and not built"

# Everything CI runs: what needs no host, what needs only built programs, what needs the lab.
test: check
	$(PY) -m lab toolchain
	$(PY) -m pytest -n 2 --dist loadfile -m built
	$(PY) -m lab up
	$(PY) -m pytest tests/lab -m "lab and not long and not alone" -n 2 --dist loadgroup --durations=20
	$(PY) -m pytest tests/lab -m "lab and not long and alone" --durations=20

# Tests of the lab that CI has no time for: Harbor on hubs, growing a kubeadm cluster, damage by hand, runs killed ten times.
long: up
	$(PY) -m pytest tests/lab -m "lab and long"

bench: up
	$(PY) -m bench
