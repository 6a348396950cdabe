# Daily work. `make` alone lists what there is.
SHELL := /bin/bash
VENV ?= .venv
# Jobs of other users must be able to execute the interpreter: one under a private home will not do.
PYTHON ?= $(shell /usr/bin/python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' \
	2> /dev/null && echo /usr/bin/python3 || echo python3)
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PYTEST := $(BIN)/python -m pytest
SCRIPTS := setup.sh .ci/run

.DEFAULT_GOAL := help
.PHONY: docs help install run test test-long test-newest test-releases test-network test-habits check format slurm-up slurm-down slurm-status bench clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

install: $(INSTALLED) ## make the virtual environment

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[experiments,ray,modal,s3,top,report]' --group dev
	touch $@

run: install ## the main job at smoke scale: train, report the metrics
	$(BIN)/tmgg-experiment +stage=stage1_poc scale=smoke

define NEED_SLURM
@if [ "$$(id -u)" = 0 ]; then $(BIN)/python -m slurm_cluster install; fi
endef

test: install ## all tests that fit in half an hour; real Slurm included when root
	$(NEED_SLURM)
	@# The cluster's tests wait most of the time, so the others run beside them.
	$(PYTEST) -p no:cacheprovider -m 'slurm and not long' & slurm=$$!; \
	$(PYTEST) -m 'not slurm and not long'; rest=$$?; \
	wait $$slurm && exit $$rest

# Debian root and cluster of another release: made once, then kept.
test-newest: install ## the smoke on the newest Slurm that Debian has (root)
	$(BIN)/python -m slurm_cluster install --release sid
	TMGG_TEST_CLUSTER=newest TMGG_TEST_RELEASE=sid $(PYTEST) -m smoke tests/slurm

test-releases: install ## tests/slurm on every other release of Slurm (root, an hour)
	for release in trixie sid; do \
		$(BIN)/python -m slurm_cluster install --release $$release || exit; \
		TMGG_TEST_CLUSTER=$$release TMGG_TEST_RELEASE=$$release \
			$(PYTEST) -m 'not long or every_release' tests/slurm || exit; \
	done

# The tests whose subject is files, with the shared folder as a client of NFS has it.
test-network: install ## runs, faults and sweeps on a shared folder with NFS's caches (root, an hour)
	$(NEED_SLURM)
	TMGG_TEST_CLUSTER=network TMGG_TEST_SHARED_FOLDER=network $(PYTEST) -m 'not long' \
		tests/slurm/test_conformance.py tests/slurm/test_shared_folder.py tests/slurm/test_faults_*.py \
		tests/slurm/test_array_sweeps.py tests/slurm/test_packed_sweep.py tests/slurm/test_tmgg_jobs.py \
		tests/slurm/test_resume_identity.py

# Banners, rewritten comments and names, jobs without variables, two threads a core, little memory.
test-habits: install ## launches, sweeps and lost answers at a site with awkward habits (root)
	$(NEED_SLURM)
	TMGG_TEST_CLUSTER=habits TMGG_TEST_SITE=$(CURDIR)/tests/slurm/habits.toml $(PYTEST) \
		-m 'not long' -k 'not submission or lost or nobodys' \
		tests/slurm/test_launcher.py tests/slurm/test_managed_bootstrap.py \
		tests/slurm/test_packed_sweep.py tests/slurm/test_array_sweeps.py \
		tests/slurm/test_faults_submission.py

test-long: install ## the tests that take minutes each
	$(NEED_SLURM)
	$(PYTEST) -m long

check: install docs ## format, lint, types, spelling, shell, the site of the documentation
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/codespell src tests docs docs_site slurm_cluster benchmarks *.md
	$(BIN)/shellcheck $(SCRIPTS)

docs: install ## build the site of the documentation into site/; any warning is an error
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --group docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

format: install ## let ruff put things right
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

slurm-up: install ## start a three-node Slurm on this machine (root)
	$(BIN)/python -m slurm_cluster up --expose $(CURDIR) --expose $(abspath $(VENV))

slurm-down: install ## stop it
	$(BIN)/python -m slurm_cluster down

slurm-status: install ## show how it is
	$(BIN)/python -m slurm_cluster status

bench: install ## print the benchmarks' figures (minutes; root)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --group bench
	$(BIN)/python -m benchmarks

clean: ## remove the environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache
