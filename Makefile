# One door for every habit: make demo | test | lint | bench | docker-test
SHELL := /bin/bash
PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin
RESULTS := demo
# auto: PyTorch with CUDA where there is an NVIDIA GPU, else the build for CPUs; cpu or cuda chooses.
TORCH ?= auto
TORCH_INDEX ?=
STAMP := $(VENV)/.installed$(if $(filter-out auto,$(TORCH)),-$(TORCH))$(if $(TORCH_INDEX),-$(notdir $(TORCH_INDEX)))

DEV := $(STAMP)-dev

.PHONY: help install dev gpu-dev system demo test mutants chaos slurm-test trackers-test lint format bench docker-test release hashes clean docs

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

install: $(STAMP) ## make .venv, all pinned in constraints.txt; PyTorch for CPU or GPU by what is here (TORCH=cpu|cuda)

dev: $(DEV) ## what the tests, the linters and the documentation's site need, too

$(STAMP): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "make: $(PYTHON) not found; install Python 3.11 or set PYTHON=..." >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@TORCH=$(TORCH) TORCH_INDEX=$(TORCH_INDEX) bash scripts/install-torch $(BIN)/pip
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[onnx,parquet]'
	@rm -f $(VENV)/.installed*; touch $@

$(DEV): $(STAMP)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

gpu-dev: install ## Triton, with which the GPU kernels are tested without a GPU; torch's CUDA builds bring one
	@$(BIN)/python -c 'import triton' 2>/dev/null || $(BIN)/pip install --quiet --no-deps 'triton==3.9.*'

system: ## apt packages that a few tests need; says what each is for where it cannot be had
	@bash scripts/system-packages chromium iproute2 shellcheck ffmpeg mesa-vulkan-drivers mpv xvfb xauth

demo: install ## a real small sweep on embedded photographs: chart, table, HTML report in demo/
	@mkdir -p $(RESULTS)
	$(BIN)/sweep run --space demo --recipe demo --db $(RESULTS)/sweep.db
	$(BIN)/sweep plot pareto --db $(RESULTS)/sweep.db --out $(RESULTS)/pareto.png
	$(BIN)/sweep report --db $(RESULTS)/sweep.db --out $(RESULTS)/report.html
	$(BIN)/sweep table --db $(RESULTS)/sweep.db --format md --out $(RESULTS)/table.md
	@cat $(RESULTS)/table.md
	@echo "chart: $(RESULTS)/pareto.png   report: $(RESULTS)/report.html   table: $(RESULTS)/table.md"

test: dev gpu-dev system ## all tests, under 15 minutes on 2 cores
	$(BIN)/pytest -n 2 --dist loadgroup -m "not chaos and not slurm"

mutants: dev ## bugs planted in the pure modules: how many the tests notice (an hour or so; goes on where it stopped)
	$(BIN)/python benchmarks/mutants.py

chaos: dev system ## a real cluster in network namespaces under seeded faults, a few minutes, as root
	$(BIN)/pytest tests/chaos -m chaos

slurm-test: dev ## jobs of docker/slurm.sbatch on a real Slurm of three nodes, a quarter of an hour, as root
	@bash scripts/system-packages iproute2 slurm-wlm munge
	$(BIN)/pytest tests/slurm -m slurm

trackers-test: dev ## sweeps told to MLflow and W&B, in an environment of their own over .venv
	@test -x $(VENV)-trackers/bin/python || $(BIN)/python -m venv $(VENV)-trackers
	@$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
	  > "$$($(VENV)-trackers/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/beneath.pth"
	$(VENV)-trackers/bin/pip install --quiet mlflow wandb
	$(VENV)-trackers/bin/python -m pytest tests/sweep_tests/tracking

lint: dev ## ruff, mypy --strict, import-linter
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: dev ## apply ruff's formatting and fixes
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: dev ## every measurement again, small (the committed ones are the scripts without --quick)
	@for script in benchmarks/[a-z]*.py; do echo "== $$script"; \
	  EDGE_SWEEP_BENCH_OUT=build/bench $(BIN)/python $$script --quick || exit 1; done; echo "figures in build/bench"

docker-test: ## build the CPU image for real with buildah and run a demo sweep inside it
	bash docker/test-image

docs: dev ## the documentation as a site in build/site, which works from disk; fails on a broken link
	$(BIN)/python -m sweep.api.document
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict && echo "open build/site/index.html"

release: dev ## wheel and sdist, checked in fresh environments on every Python here (ARGS: --draft --quick --tests)
	$(BIN)/python scripts/release $(ARGS)

hashes: dev ## constraints-hashed.txt and docker/requirements again: what an installation and the image take, by hash
	bash scripts/hash-constraints $(BIN)/python

clean: ## remove what make made (not your databases)
	rm -rf $(VENV) $(VENV)-trackers $(RESULTS) .pytest_cache .mypy_cache .ruff_cache
