# `make demo` and `make test` each work on a fresh machine: they create the environment first.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK = 1
export HF_HUB_OFFLINE ?= 1
export TOKENIZERS_PARALLELISM ?= false
# Images set it, and then each command compiles all of xlt and of what it imports.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-avx2 check static lowest docs fuzz env environments lock sbom clean

# Tests that stand together share what they set up, so a process takes from the other's list only
# when its own is done.
PARALLEL := -n $(shell nproc 2>/dev/null || echo 2) --dist worksteal

demo: env
	$(BIN)/python -m scripts.demo

test: env
	$(BIN)/python -m pytest -q $(PARALLEL)

# As on a processor with AVX2 and no more, where PyTorch has other kernels, and fp32 is chosen for bf16:
# aligners, classifiers, a parser's layers, groups of parameters, the choice of the precision, and
# gradients and short trainings of a tagger and a parser over every family of encoders. Not all that
# computes: the tasks' own models, prediction and longer trainings are run on this processor alone.
NUMERIC := $(patsubst %,unit/test_%.py,align classifier optim parser_layers precision trainer)

test-avx2: env
	ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 $(BIN)/python -m pytest -q \
		$(PARALLEL) $(addprefix tests/,$(NUMERIC))

# What CI runs. The first four are mostly of one thread each.
check: env
	$(MAKE) --jobs=2 static fuzz docs lowest
	$(MAKE) test
	$(MAKE) test-avx2

static: env
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/python -m scripts.check_types

$(VENV)/.fuzz: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt 'atheris>=3'
	touch $@

# A second or so for each of what reads, and the same inputs each time, so that a change is tested and
# not luck; a night gives each a million: `python -m scripts.fuzz all --runs 1000000`.
fuzz: $(VENV)/.fuzz
	$(BIN)/python -m scripts.fuzz all --runs 400 --jobs 1

# The lower bounds of pyproject.toml hold: what works without extras, at just these versions.
LIGHT_TESTS := tests/cli/test_light.py tests/cli/test_predict_source.py tests/cli/test_scores.py \
	$(patsubst %,tests/unit/test_%.py,cards config conllu extras holdings pretraining ranking sets typology)

lowest: $(VENV)-lowest/.installed
	$(VENV)-lowest/bin/python -m pytest -q $(PARALLEL) $(LIGHT_TESTS)

$(VENV)-lowest/.installed: pyproject.toml setup.py scripts/lowest_versions.py
	test -x $(VENV)-lowest/bin/python || $(PYTHON) -m venv $(VENV)-lowest
	$(VENV)-lowest/bin/python scripts/lowest_versions.py > $(VENV)-lowest/constraints.txt
	$(VENV)-lowest/bin/python -m pip install --quiet --constraint $(VENV)-lowest/constraints.txt \
		--editable . pytest pytest-xdist hypothesis jsonschema
	touch $@

# Strict: a link or an anchor that leads nowhere is an error.
docs: env
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

env: $(VENV)/.installed

# Those that `make check` uses; each is installed by one process.
environments: env $(VENV)-lowest/.installed

# Made again when what is to be installed has changed. Every package by its hash, but for PyTorch:
# requirements/README.md says why. The last line finds what the lock lacks.
$(VENV)/.installed: pyproject.toml setup.py constraints.txt requirements/dev.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-deps --require-hashes --requirement requirements/dev.txt
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	$(BIN)/python -m pip check
	touch $@

# What locks and lists packages is no part of the environment.
TOOLS := $(VENV)-tools

$(TOOLS)/.installed: requirements/tools.txt
	test -x $(TOOLS)/bin/python || $(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/python -m pip install --quiet --require-hashes --requirement requirements/tools.txt
	touch $@

GPU := triton cuda-bindings cuda-pathfinder cuda-toolkit $(addprefix nvidia-,cublas cuda-cupti \
	cuda-nvrtc cuda-runtime cudnn-cu13 cufft cufile curand cusolver cusparse cusparselt-cu13 \
	nccl-cu13 nvjitlink nvshmem-cu13 nvtx)
LOCK := --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header
XLT := --constraint constraints.txt $(addprefix --no-emit-package ,torch $(GPU)) \
	pyproject.toml requirements/build.in

lock: $(TOOLS)/.installed
	$(TOOLS)/bin/uv pip compile $(LOCK) $(LOCK_FLAGS) $(XLT) --extra dev \
		--output-file requirements/dev.txt
	$(TOOLS)/bin/uv pip compile $(LOCK) $(LOCK_FLAGS) $(XLT) --extra e5 --extra serve \
		--constraint requirements/dev.txt --output-file requirements/image.txt
	$(TOOLS)/bin/uv pip compile $(LOCK) $(LOCK_FLAGS) \
		--output-file requirements/tools.txt requirements/tools.in

# The bill of materials of a release: every package of the environment with version and licence.
sbom: env $(TOOLS)/.installed
	$(BIN)/python -m scripts.bill_of_materials $(TOOLS)/bin/cyclonedx-py \
		dist/xlt-$$($(BIN)/python -c 'import xlt; print(xlt.__version__)').cdx.json

clean:
	rm -rf $(VENV) $(VENV)-lowest $(TOOLS) build dist site *.egg-info .mypy_cache .ruff_cache .pytest_cache
