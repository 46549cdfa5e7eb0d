# Targets set everything up on a machine that has Python 3.11+ and make. The plain commands are in README.md.
PYTHON ?= python3
VENV := .venv
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
RUN := PATH="$(CURDIR)/$(VENV)/bin:$$PATH"

.PHONY: repro test lint docs docs-serve setup browser lock clean

repro: setup  ## run the pipeline: download, pack, train, sample, evaluate
	$(RUN) dvc repro

test: setup browser  ## run the test suite
	$(RUN) OMP_NUM_THREADS=1 python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

lint: setup  ## check style and types
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy

docs: setup  ## write the site to build/site; it opens from the disk and fetches nothing
	$(RUN) NO_MKDOCS_2_WARNING=1 mkdocs build --quiet --strict
	@echo "Open build/site/index.html"

docs-serve: setup  ## serve the site on 127.0.0.1:8000, and build it again when a file changes
	$(RUN) NO_MKDOCS_2_WARNING=1 mkdocs serve --dev-addr 127.0.0.1:8000

setup: $(VENV)/.installed

$(VENV)/.installed: requirements.lock pyproject.toml | $(UV)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + ": make PYTHON=/path/to/python3")'
	$(UV) venv --quiet --allow-existing --python $(PYTHON) $(VENV)
	$(UV) pip sync --quiet --python $(VENV) --require-hashes --compile-bytecode requirements.lock
	$(UV) pip install --quiet --python $(VENV) --no-deps --config-setting editable_mode=compat --editable .
	touch $@

browser: setup  ## bring a browser for the tests of the report, unless there is one
	@$(RUN) python tests/browser.py && exit; echo "Installing Chromium: the report is tested in it"; \
		if [ "$$(id -u)" = 0 ] && command -v apt-get > /dev/null; then \
			apt-get install --yes --quiet chromium > /dev/null 2>&1 \
				|| { apt-get update --quiet > /dev/null 2>&1; apt-get install --yes --quiet chromium > /dev/null 2>&1; }; \
		fi; \
		$(RUN) python tests/browser.py || $(RUN) playwright install chromium > /dev/null 2>&1 \
			|| echo "No browser could be installed: the tests of the report will fail"

.uv/bin/uv:
	($(PYTHON) -m venv .uv && .uv/bin/python -m pip install --quiet --disable-pip-version-check uv) \
		|| $(PYTHON) -m pip install --quiet --disable-pip-version-check --target .uv uv

lock:  ## resolve the dependencies anew
	$(UV) pip compile --quiet --universal --generate-hashes --no-emit-index-url --python-version 3.11 --all-extras \
		pyproject.toml --output-file requirements.lock

clean:  ## remove the environment; data, models and the MLflow store stay
	rm -rf $(VENV) .uv
