# make train: set up, then the default experiment.   make demo: the app on its model.   make test: set up, then the tests.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
READY := $(VENV)/.ready
WORKERS ?= 2
# several processes share the cores here; a training alone is slower with it
test test-slow bench: export OMP_WAIT_POLICY := passive
# make bench INSTRUCTIONS=avx2: as on a processor that has neither AVX-512 nor bfloat16
ifeq ($(INSTRUCTIONS),avx2)
bench: export ATEN_CPU_CAPABILITY := avx2
bench: export ONEDNN_MAX_CPU_ISA := AVX2
bench: export MKL_ENABLE_INSTRUCTIONS := AVX2
endif

.PHONY: setup train demo test test-slow lint docs bench clean

setup: $(READY)

$(READY): pyproject.toml setup.py constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

train: setup
	$(VENV)/bin/python -m src.train --cfg job
	$(VENV)/bin/python -m src.train

# the newest model that says words: the app has no use for an inpainting GAN
NEWEST = ls -t outputs/train/*/checkpoints/best.ckpt 2> /dev/null | while read -r ckpt; do \
	grep -q assemble.inpainting "$${ckpt%/checkpoints/*}/config.yaml" || { echo "$$ckpt"; break; }; done

demo: setup
	CKPT=$$($(NEWEST)); \
	if [ -z "$$CKPT" ]; then $(VENV)/bin/python -m src.train && CKPT=$$($(NEWEST)); fi; \
	$(VENV)/bin/python -m src.app ckpt="$$CKPT"

test: setup
	$(VENV)/bin/python -m pytest -m "not slow" -n $(WORKERS) --dist loadfile --no-loadscope-reorder --durations 20

test-slow: setup
	$(VENV)/bin/python -m pytest -m slow

lint: setup
	$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check . && $(VENV)/bin/mypy

docs: setup
	$(VENV)/bin/pip install --quiet --constraint constraints.txt --editable '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict

bench: setup
	$(VENV)/bin/pip install --quiet --constraint constraints.txt '.[bench]'
	for b in decoding features loading precision attribution transformers vqa training objectives hallucination inpainting; do $(VENV)/bin/python -m tests.benchmarks.$$b || exit 1; done

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache *.egg-info src/*.egg-info site build
