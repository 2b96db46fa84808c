# make demo   the sample brain in napari; without a display the metrics table and a picture, build/demo.png
# make test   the whole test suite, on a virtual screen
# make lint   style, types, the direction of imports, the plugin manifest
# Each first sets up .venv (and, where it may, the system libraries of Qt): minutes once, nothing after that.

SHELL := /bin/bash
BIN := .venv/bin
READY := .venv/.ready

# Without a display, or in CI, the demo ends by itself: it writes the picture and prints the table.
UNATTENDED := $(or $(CI),$(if $(filter Linux,$(shell uname -s)),$(if $(DISPLAY)$(WAYLAND_DISPLAY),,1)))

.PHONY: demo test lint style types imports manifest format setup clean

demo: $(READY)
	$(if $(UNATTENDED),@mkdir -p build)
	$(BIN)/mri-cae demo $(if $(UNATTENDED),--screenshot build/demo.png)

test: $(READY)
	$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: style types imports manifest

style: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

imports: $(READY)
	$(BIN)/lint-imports

manifest: $(READY)
	$(BIN)/npe2 validate --imports napari-mri-cae

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

setup: $(READY)

$(READY): pyproject.toml constraints.txt scripts/install-system-libraries scripts/install-python-packages
	@scripts/install-system-libraries
	@scripts/install-python-packages
	@touch $@

clean:
	rm -rf build dist .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
