# `make film` and `make test` need Python 3.11 or newer and nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PRESET ?= cpu
# Threads that wait must not spin: the machine may be shared.
export OMP_WAIT_POLICY := PASSIVE
export PYTHONUTF8 := 1

.PHONY: film test test-long blender train check format setup clean

film: $(VENV)/.done
	@$(BIN)/reelwright film examples/beach.fountain --out runs/beach

test: $(VENV)/.done-dev blender
	$(BIN)/pytest -n 2 --dist loadfile

test-long: $(VENV)/.done-dev blender
	$(BIN)/pytest -m long

# Simulations run in a Blender of their own, which is fetched once.
blender: $(VENV)/.done-dev
	@test -n "$$REELWRIGHT_BLENDER" || $(BIN)/reelwright doctor --install blender || \
		echo "No Blender: the tests that need one are skipped"

# Model, then the two critics that judge it; hours on a CPU. Stopped, it goes on when made again.
train: $(VENV)/.done-dev
	$(BIN)/python -m reelwright_generators.builtin.train --preset $(PRESET) --resume --out training
	$(BIN)/python -m reelwright_metrics.learned.train --seed 0 --model training/model --out training/critics
	$(BIN)/python -m reelwright_metrics.learned.train --seed 1 --model training/model --out training/critics

check: $(VENV)/.done-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

format: $(VENV)/.done-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

setup: $(VENV)/.done-dev

clean:
	rm -rf $(VENV) build dist

# The constraints make installs repeatable, and hold torch at a release that has a CPU build:
# pip takes it where its settings (find-links, extra-index-url) offer one.
$(VENV)/.done: pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or newer is needed"; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed, $$($(PYTHON) --version) was found; try make PYTHON=python3.11"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.done-dev: $(VENV)/.done
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@
