# `make` lists what there is to do. Everything else needs only Python 3.11 to 3.13, Java 17 or newer, git and make:
# what it needs besides is set up by the target that needs it, once.
.DEFAULT_GOAL := help
.PHONY: help run demo compare stop test check bench bench-feast lock setup java venv clean

SETUP := PYTHON="$(PYTHON)" bash deployments/setup.sh
BIN := .venv/bin
COMPILE = env -u PIP_FIND_LINKS $(BIN)/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe --no-header \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links $(UPGRADE)
OURS = --extra pandas --extra dev --extra every-python

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: setup ## start the platform here and run every flow once [DATA=folder ENGINE=auto|polars|spark LAKE=folder SELECT="+router" EXCLUDE=tag:slow]
	@$(BIN)/python -m deployments.run $(if $(DATA),--data "$(DATA)") $(if $(ENGINE),--engine "$(ENGINE)") $(if $(LAKE),--lake "$(LAKE)") $(if $(SELECT),--select "$(SELECT)") $(if $(EXCLUDE),--exclude "$(EXCLUDE)")

demo: setup ## a year in a few minutes: deliveries, drift, a retraining, a release, all by events [DATA=folder EXIT=1]
	@$(BIN)/python -m deployments.demo.app $(if $(DATA),--data "$(DATA)") $(if $(EXIT),--exit)

compare: setup ## train variants side by side [VARIANTS="miss_cost=3 penalties=[100]" LAKE=folder]
	@$(BIN)/python -m deployments.compare $(VARIANTS) $(if $(LAKE),--lake "$(LAKE)")

stop: ## stop what `make run` left running
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m deployments.run --stop; fi

test: setup ## run the tests [ARGS="-k word"]
	@$(BIN)/python -m pytest -n 2 $(ARGS)

check: venv ## lint, formatting, types and the layers' import rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --cache-dir .import_linter_cache

bench: java ## run the benchmarks in an environment of their own [ARGS=...]
	@$(SETUP) venv .venv-bench benchmarks/requirements.lock
	@$(SETUP) cache .venv-bench
	@.venv-bench/bin/python -m benchmarks.run $(ARGS)

bench-feast: java ## the point-in-time join beside Feast's, which has one more environment of its own
	@$(SETUP) venv .venv-bench benchmarks/requirements.lock
	@$(SETUP) venv .venv-feast benchmarks/feast-requirements.lock
	@$(SETUP) cache .venv-bench
	@.venv-bench/bin/python -m benchmarks.run feast

lock: venv ## pin again what pyproject.toml asks for [UPGRADE=--upgrade]
	@echo "Resolving into requirements.lock and benchmarks/*requirements.lock (some minutes) ..."
	@$(COMPILE) $(OURS) --output-file requirements.lock pyproject.toml
	@$(COMPILE) $(OURS) --extra bench --output-file benchmarks/requirements.lock pyproject.toml
	@$(COMPILE) --output-file benchmarks/feast-requirements.lock benchmarks/feast-requirements.in

setup: java venv ## only set up: .venv, Delta's jars, the JVM class-data archive
	@$(SETUP) cache .venv

clean: stop ## remove the environments and caches; the lake and generated data in .alluvia stay
	rm -rf .venv .venv-bench .venv-feast .alluvia/cache .alluvia/run .mypy_cache .ruff_cache .pytest_cache .hypothesis \
		.import_linter_cache .grimp_cache

java:
	@$(SETUP) java

venv:
	@$(SETUP) venv .venv requirements.lock
