# `make` builds the paper; `make test` runs every test. Both install what they need, once, into .venv.
PYTHON ?=
DATASET ?= library
CORES ?= all
# Not the console scripts of .venv: their first line holds the path of the clone, and a kernel reads little of it.
RUN := .venv/bin/python -m

.PHONY: paper test test-slurm lint lock install fresh docs clean

paper: install
	$(RUN) snakemake all --cores $(CORES) --config dataset=$(DATASET)
	@echo
	@echo "The paper: results/$(DATASET)/paper/ms.pdf"
	@$(RUN) xpsvae.paper.table1 results/$(DATASET)/corrected/tables/table1.json

test: install
	$(RUN) pytest --numprocesses logical --maxprocesses 8 --dist loadfile --no-loadscope-reorder

# The Slurm profile on a private cluster of this machine, which needs Debian's slurmctld, slurmd, slurm-client and
# munge. Snakemake's plugin stays out of .venv: every call of Snakemake would load it.
test-slurm: install
	.venv/bin/python -m pip install --quiet --upgrade --no-deps --target .slurm -r envs/requirements-slurm.txt
	PYTHONPATH="$(CURDIR)/.slurm" $(RUN) pytest tests/workflow/test_slurm.py

lint: install
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) snakefmt --check Snakefile rules
	$(RUN) snakemake --lint

# Python, a C compiler and LaTeX, then .venv. Does nothing where all is there.
install:
	@PYTHON="$(PYTHON)" envs/install.sh

# Resolve requirements.in anew, for all Pythons of the range at once.
lock: install
	.venv/bin/python envs/lock.py

# The pages of docs/ as a site in site/; its tools stay out of .venv.
docs: install
	test -x .docs/bin/mkdocs || .venv/bin/python -m venv .docs
	.docs/bin/python -m pip install --quiet -r envs/requirements-docs.txt
	.docs/bin/python -m mkdocs build --quiet

# `make` in new Debian systems, and what the Dockerfile says; as root, a quarter of an hour. See the script.
fresh:
	python3 tests/fresh_machine.py

clean:
	rm -rf results checkpoints .snakemake
