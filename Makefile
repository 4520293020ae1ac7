# Every target sets up what it needs. `make help` lists them.
SHELL := /bin/bash
unexport PYTHONDONTWRITEBYTECODE # compiled once, tests and services start faster
PYTHON ?= python3
BIN := .venv/bin
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)

.DEFAULT_GOAL := help
.PHONY: help setup demo serve token test all-tests check mutants soak faults bench bench-against screenshots client docs build release deploy-check clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

.uv/bin/uv:
	$(PYTHON) -m venv .uv
	.uv/bin/pip install --quiet --disable-pip-version-check uv

$(UV):

.venv/.ready: pyproject.toml uv.lock | $(UV)
	$(UV) sync --locked --quiet --compile-bytecode
	@touch $@

setup: .venv/.ready ## Make .venv from the lock file (takes uv from the registry when it is missing)

demo: .venv/.ready ## The main job, end to end, with a real receiver (DEMO_FLAGS=--json for programs)
	@$(BIN)/riskrelay demo $(DEMO_FLAGS)

serve: .venv/.ready ## Make a local installation in .local/ and serve it on http://127.0.0.1:8700
	@mkdir -p .local
	@cd .local && ../$(BIN)/riskrelay init
	@echo "To sign in with another token, run in a second terminal: make token"
	@cd .local && ../$(BIN)/riskrelay serve

token: .venv/.ready ## Print a new token for the installation in .local/, to sign in to the console with
	@cd .local && ../$(BIN)/riskrelay token create default

check: .venv/.ready ## Lint, format, types, architecture
	$(BIN)/ruff check src tests
	$(BIN)/ruff format --check src tests
	$(BIN)/mypy
	$(BIN)/lint-imports

test: .venv/.ready ## Everything CI runs: check and all tests; root gets the programs that some of them need
	@tests/install-programs
	@$(MAKE) --no-print-directory --jobs 2 check all-tests

# More processes than CI has cores, because many tests wait for timers. tests/conftest.py puts the longest files first.
all-tests: .venv/.ready
	$(BIN)/pytest -q --numprocesses 4 --dist loadfile --no-loadscope-reorder -rfEs --durations 40

mutants: .venv/.ready ## Change each expression of core/risk, ssf and delivery, and list the changes that no test detects (MUTANTS=ssf)
	$(UV) run --locked --quiet --with mutmut==3.8.1 python tests/mutants.py $(MUTANTS)

soak: .venv/.ready ## The tests that find more the longer they run: thousands of examples, hundreds of kills
	RISKRELAY_SOAK=1 RISKRELAY_KILLS=300 $(BIN)/pytest -q -m "soak or hypothesis" --timeout 3600

faults: export RISKRELAY_FAULTS = 1
faults: export RISKRELAY_KILLS ?= 1000
faults: .venv/.ready ## Everything that may go wrong, at length, into docs/fault-report.md (RISKRELAY_KILLS, RISKRELAY_SEED)
	$(BIN)/pytest -q -m fault --timeout 3600 --fault-report=docs/fault-report.md

bench: .venv/.ready ## Measure this machine, some twenty-five minutes, and write docs/benchmarks.md (BENCH_FLAGS="--only latency --scale 0.1")
	PYTHONPATH=tests $(BIN)/python -W "ignore:XDG_RUNTIME_DIR is not set" -m bench.run --page docs $(BENCH_FLAGS)

bench-against: .venv/.ready ## Compare this commit with another in turns (REV=v1 BENCH_FLAGS="--only latency,ingest --engine sqlite --pairs 3")
	@test -n "$(REV)" || { echo "name the other commit: make bench-against REV=main~10" >&2; exit 2; }
	PYTHONPATH=tests $(BIN)/python -W "ignore:XDG_RUNTIME_DIR is not set" -m bench.against $(REV) $(BENCH_FLAGS)

screenshots: .venv/.ready ## Pictures of the console's screens, into docs/screenshots/
	PYTHONPATH=tests $(BIN)/python -m browser.screenshots $(SCREENS)

client: .venv/.ready ## Make the synchronous client from the asynchronous one
	PYTHONPATH=tests $(BIN)/python -m support.synchronous
	$(BIN)/ruff check --quiet --fix src/riskrelay/client/sync
	$(BIN)/ruff format --quiet src/riskrelay/client/sync

docs: .venv/.ready ## Write the documents that are made from the code (commands, errors, event types, settings, decisions), build site/
	PYTHONPATH=tests $(BIN)/python -m docs.write
	PYTHONPATH=tests $(BIN)/python -m docs.site

build: .venv/.ready ## Build the wheel into dist/
	$(UV) build --quiet --wheel --out-dir dist

release: .venv/.ready ## Build what a release consists of into dist/: wheel, sdist, SBOM and checksums, checked by twine
	rm -rf dist
	SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct 2>/dev/null || echo 1767225600) $(UV) build --quiet --out-dir dist
	$(UV) run --locked --quiet --no-project --with twine==7.0.0 --with packaging==26.3 twine check --strict dist/*.whl dist/*.tar.gz
	$(UV) export --locked --quiet --no-dev --all-extras --format cyclonedx1.5 --output-file dist/riskrelay.cdx.json
	rm -f dist/.gitignore
	cd dist && sha256sum * > SHA256SUMS && cat SHA256SUMS

deploy-check: export RISKRELAY_DEPLOY = 1
deploy-check: .venv/.ready ## deploy/ at length: the image's steps in a clean root, the chart by helm, the proxies (some minutes; root)
	@tests/install-deploy-programs
	$(UV) run --locked --quiet --with kubernetes-validate==1.37.0 pytest -q -rs tests/contract/deploy tests/contract/guides/test_deploy.py

clean: ## Remove what the other targets made
	rm -rf .venv .uv site tests/{contract/api,protocol}/typescript/{node_modules,build} .local dist .mypy_cache .ruff_cache .hypothesis .import_linter_cache
