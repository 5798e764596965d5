# Every command a user or a developer types. `make` lists them.
.DEFAULT_GOAL := help
.PHONY: help setup run test test-slow test-all test-chaos test-ray test-s3 test-fuzz test-images test-infra lint types format demo screenshots bench bench-rest lock clean

PYTHON ?=
ACCELERATOR := $(if $(filter 1,$(GPU)),gpu,cpu)
AIDRUG_EXTRAS ?= pipeline,serve,$(ACCELERATOR),dev
BIN := .venv/bin
# A process per core; an idle one takes tests from a busy one.
PYTEST = $(BIN)/python -m pytest -n logical --maxprocesses 4 --dist worksteal --durations 10
# The stamp holds the extras it was made for; when they differ, it counts as out of date.
STAMP := .venv/.installed
ifneq ($(shell cat $(STAMP) 2>/dev/null),$(AIDRUG_EXTRAS))
.PHONY: $(STAMP)
endif

help: ## List these commands
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: $(STAMP) ## Install everything into .venv (GPU=1 for the GPU builds, PYTHON=python3.12 for another interpreter)

$(STAMP): pyproject.toml constraints.txt infra/setup.sh
	@PYTHON="$(PYTHON)" sh infra/setup.sh $(AIDRUG_EXTRAS)

run: $(STAMP) ## Train what is stale, then serve: pipeline on port 3000, predictions on port 8000
	$(BIN)/aidrug up

test: $(STAMP) ## Run the tests and the examples in the docstrings, but for the slow ones (minutes)
	$(PYTEST) -m 'not slow'

test-slow: $(STAMP) ## Run the slow tests: whole processes, killed and edited, beside small siblings in `make test`
	$(PYTEST) -m slow

test-all: test test-slow ## Run both


test-chaos: $(STAMP) ## Kill, lock, break and edit everything that runs, 200 times, and print how long each took to heal (a night)
	$(BIN)/python -m tests.chaos --seed $(or $(SEED),0) --number $(or $(NUMBER),200) --together $(or $(TOGETHER),1)

test-ray: $(STAMP) ## Run the tests of screens on a real local Ray (needs the extra screening and a calm machine)
	AIDRUG_TEST_RAY=1 $(BIN)/python -m pytest tests/integration/test_screen.py

test-s3: $(STAMP) stand-ins ## Test everything that uses S3, against a real S3 server that checks credentials (minutes)
	AIDRUG_TEST_S3=1 $(BIN)/python -m pytest tests/integration/test_s3.py

test-fuzz: $(STAMP) ## Ask every address of the service in a thousand ways, other ones each time (half an hour)
	AIDRUG_TEST_EXAMPLES=$(or $(NUMBER),1000) $(BIN)/python -m pytest --timeout 7200 tests/integration/test_api_fuzz.py

test-images: $(STAMP) stand-ins ## Build the images, run the whole host with Docker, deliver to it (half an hour)
	AIDRUG_TEST_IMAGES=1 $(BIN)/python -m pytest -s tests/images

.PHONY: test-gameday
test-gameday: $(STAMP) stand-ins ## Break the platform in every way of docs/operations/game-day.md (on stand-ins; on Docker where an engine answers)
	@docker info >/dev/null 2>&1 || echo "SKIPPED: no Docker engine answers, so nothing here breaks a real container, only stand-ins"
	AIDRUG_TEST_INFRA=1 AIDRUG_TEST_IMAGES=$$(docker info >/dev/null 2>&1 && echo 1) $(BIN)/python -m pytest -m game_day -rs

.PHONY: critical-path
critical-path: $(STAMP) ## Print how long a delivery takes and through which jobs (MEASURE='make lint' takes a step's time here)
	$(BIN)/python -m tests.critical_path $(if $(MEASURE),--measure '$(MEASURE)')

.PHONY: stand-ins
stand-ins: $(STAMP)
	$(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt $$(sed -n 's/^stand-ins = \[\(.*\)\]/\1/p' pyproject.toml | tr -d '",')

test-infra: $(STAMP) stand-ins ## Test infra/terraform and the operations guide on a stand-in for AWS (minutes; needs terraform)
	AIDRUG_TEST_INFRA=1 $(BIN)/python -m pytest tests/infra tests/integration/test_ecs.py

lint: $(STAMP) ## Check style, layer rules and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP) ## Check types
	$(BIN)/mypy

format: $(STAMP) ## Format the code and apply safe fixes
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

demo: $(STAMP) ## Edit one model of a copy, watch only it retrain and the service change over
	$(BIN)/python docs/demo.py

.PHONY: docs
docs: $(STAMP) ## Build the site into build/site; a warning fails it (two minutes)
	$(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt -e '.[docs]'
	$(BIN)/python -m sphinx -W --keep-going -q -d build/doctrees docs build/site
	@echo "build/site/index.html"

screenshots: $(STAMP) ## Take the screenshots of the docs from a running `make run`
	$(BIN)/python docs/screenshots.py

SERVICE_BENCHES := bench_service bench_page bench_table bench_jobs bench_attack bench_admet_ai

bench: $(STAMP) ## Measure the service and write docs/performance.md (a quarter of an hour)
	@for name in $(SERVICE_BENCHES) performance_report; do \
		echo "== $$name"; $(BIN)/python -m tests.benchmarks.$$name || exit 1; done

bench-rest: $(STAMP) ## Run the other benchmarks: features, signatures, trust, screens, the whole loop (an hour)
	@for file in $(filter-out $(SERVICE_BENCHES:%=tests/benchmarks/%.py),$(wildcard tests/benchmarks/bench_*.py)); do \
		echo "== $$file"; $(BIN)/python -m tests.benchmarks.$$(basename $$file .py) || exit 1; done

lock: $(STAMP) ## Resolve pyproject.toml into constraints.txt (UPGRADE=1 to take newer versions)
	$(BIN)/uv pip compile pyproject.toml --all-extras --no-sources --python-version 3.11 --no-annotate --no-header \
		--quiet $(if $(filter 1,$(UPGRADE)),--upgrade) --output-file constraints.txt
	sed -i.old 's/+cpu$$//' constraints.txt && rm constraints.txt.old

.PHONY: sbom
sbom: $(STAMP) ## Write the bill of materials of .venv, with licences, into build/sbom.cdx.json
	mkdir -p build
	$(BIN)/cyclonedx-py environment --output-reproducible --output-file build/sbom.cdx.json $(BIN)/python
	@echo "build/sbom.cdx.json"

clean: ## Remove the environment, caches and built files; trained models and data in .aidrug stay
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
