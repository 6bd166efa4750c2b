# Every chore has one way; `make help` lists them. All of it happens in .venv, nothing outside the repository is touched.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.setup-done
IS_SUITABLE := import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))
LABELS := ../shared/photos/labels.csv
UV_COMPILE := $(BIN)/uv pip compile --quiet --upgrade --constraint constraints.txt

.DEFAULT_GOAL := help
.PHONY: help setup run test test-deep load lint format bench evaluate locale audit sbom lock clean

help: ## List the chores
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## /\1|/' | while IFS='|' read -r name text; do printf '  make %-10s %s\n' "$$name" "$$text"; done

setup: $(STAMP) ## Make .venv with the locked dependencies and the command `jari` (asks nothing, quick when nothing changed)

# A .venv knows its place: moved or copied with its folder, it is made anew.
ifneq ($(shell cat $(STAMP) 2>/dev/null),$(CURDIR))
.PHONY: $(STAMP)
endif
$(STAMP): requirements-dev.txt pyproject.toml
	@python=$$(for name in $(PYTHON) python3.11 python3.12 python3.13 python3; do \
		"$$name" -c '$(IS_SUITABLE)' 2>/dev/null && echo "$$name" && break; done); \
	if [ -z "$$python" ]; then echo 'Python 3.11, 3.12 or 3.13 is needed and none was found. Install one, or name it: make setup PYTHON=/path/to/python' >&2; exit 1; fi; \
	{ "$(BIN)/python" -c '$(IS_SUITABLE)' && "$(BIN)/pip" --version | grep -qF "$(CURDIR)/"; } 2>/dev/null || "$$python" -m venv --clear $(VENV) \
		|| { echo "$$python lacks venv. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo 'Installing the locked dependencies into $(VENV) (nearly 1 GB, once) ...'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(BIN)/python -c 'import cv2' \
		|| { echo 'OpenCV misses a library of the system. On Debian and Ubuntu this mends it: apt-get install libgl1 libglib2.0-0' >&2; exit 1; }
	@echo '$(CURDIR)' > $@

run: setup ## Serve the page and the HTTP API on this machine, and print where to open it
	@$(BIN)/jari serve

test: setup ## Run the tests
	@$(BIN)/python -m pytest

test-deep: setup ## Run the tests that take minutes
	@$(BIN)/python -m pytest -m deep -s

load: setup ## Send four times what the service can check, for a minute, and see that it bears it
	@PYTHONPATH=. $(BIN)/python tests/load.py --json load.json

lint: setup ## Check style and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: setup ## Put the code in the one format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: setup ## Measure speed, memory and recall on this machine, and renew docs/performance.md
	@$(BIN)/jari bench --json bench.json --markdown docs/performance.md

evaluate: setup ## Measure how right the readings are, on ../shared/photos or LABELS=FILE; the report is report/index.html
	@$(BIN)/jari evaluate $(LABELS) --finder search --finder mediapipe --jobs $$(nproc) --report report

locale: setup ## Compile the message catalogues after editing a .po file
	@$(BIN)/python -c 'import pathlib, polib; [polib.pofile(str(po)).save_as_mofile(str(po.with_suffix(".mo"))) for folder in ("app", "gestures") for po in pathlib.Path(folder, "locale").rglob("*.po")]'

audit: setup ## Look the locked dependencies up among known vulnerabilities (asks the network)
	@$(BIN)/python .ci/audit.py

sbom: setup ## Write sbom.json, the parts with hashes and licences in CycloneDX form (fetches the tool)
	@PYTHONWARNINGS=ignore $(BIN)/uv tool run --quiet --cache-dir $(VENV)/uv-cache --from cyclonedx-bom==7.5.0 cyclonedx-py requirements \
		--pyproject pyproject.toml --output-reproducible --output-file sbom.json requirements.txt
	@$(BIN)/jari licences --sbom sbom.json

lock: setup ## Choose the newest versions that pyproject.toml allows and write them down with their hashes
	@$(UV_COMPILE) pyproject.toml --output-file requirements.txt
	@$(UV_COMPILE) pyproject.toml --extra dev --constraint requirements.txt --output-file requirements-dev.txt
	@echo hatchling | $(UV_COMPILE) - --constraint requirements-dev.txt --output-file requirements-build.txt

clean: ## Remove .venv and all that was made
	rm -rf $(VENV) build dist report bench.json load.json sbom.json .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
