# `make demo` and `make test` each work on a fresh machine: they create the environment first.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK = 1
export HF_HUB_OFFLINE ?= 1
export TOKENIZERS_PARALLELISM ?= false

.PHONY: demo test test-avx2 check lowest docs env clean

demo: env
	$(BIN)/python -m scripts.demo

test: env
	$(BIN)/python -m pytest -q -n $(shell nproc 2>/dev/null || echo 2)

# The tests that train or compare numbers, as on a processor with AVX2 and no more: other kernels,
# and fp32 where bf16 would be chosen.
NUMERIC := e2e/test_distributed.py $(patsubst %,unit/test_%.py,align classifier encode ensemble \
	event_model kernels optim parser_layers predict_translated process ranking seq2seq stages \
	trainer vocabulary)

test-avx2: env
	ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 $(BIN)/python -m pytest -q \
		-n $(shell nproc 2>/dev/null || echo 2) $(addprefix tests/,$(NUMERIC))

check: env
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/python -m scripts.check_types
	$(BIN)/lint-imports
	$(MAKE) test
	$(MAKE) test-avx2

# The lower bounds of pyproject.toml hold: what works without extras, at just these versions.
LIGHT_TESTS := tests/cli/test_light.py tests/cli/test_predict_source.py tests/cli/test_scores.py \
	tests/cli/test_cli_errors.py $(patsubst %,tests/unit/test_%.py,analysis cards columns config \
	conllu extras holdings languages own_scores pretraining process ranking sets statistics typology)

lowest: $(VENV)-lowest/.installed
	$(VENV)-lowest/bin/python -m pytest -q -n $(shell nproc 2>/dev/null || echo 2) $(LIGHT_TESTS)

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

# Made again when what is to be installed has changed.
$(VENV)/.installed: pyproject.toml setup.py constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) $(VENV)-lowest build dist site *.egg-info .mypy_cache .ruff_cache .pytest_cache
