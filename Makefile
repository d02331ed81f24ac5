# `make help` says what there is. All is made in .venv, and in the user's cache folder what takes minutes.

SUPPORTED := python3 python3.13 python3.12 python3.11
PYTHON    ?= $(firstword $(foreach python,$(SUPPORTED),$(shell $(python) -c '$(IS_SUPPORTED)' 2>/dev/null && echo $(python))))
WORKERS   ?= 2

IS_SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))
BIN          := .venv/bin
READY        := .venv/.ready
LOCK         := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
                --no-annotate --no-header
IMAGE        ?= beemflow-secrets:0.1.0

.DEFAULT_GOAL := help
.PHONY: help setup lock controlplane promtool crds manifests image release lint unit contract test e2e docs bench demo demo-down live clean

help:  ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r verb text; do \
	  printf '  make %-13s %s\n' "$$verb" "$$text"; done

setup: $(READY)  ## .venv with the package and all that its tests need; PYTHON=python3.12 chooses one
	@:

$(READY): requirements/dev.txt pyproject.toml
	@$(or $(PYTHON),false) -c '$(IS_SUPPORTED)' 2>/dev/null || \
	  { echo "setup: Python 3.11, 3.12 or 3.13 is needed$(if $(PYTHON),, and not found)$(PYTHON:%=, which % is not)" >&2; exit 1; }
	@echo "setup: installing into .venv (a minute the first time)"
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e '.[all]'
	@touch $@

lock: setup  ## requirements/ anew from pyproject.toml
	@$(LOCK) --all-extras --group dev -o requirements/dev.txt pyproject.toml
	@$(LOCK) --extra operator --extra aws --extra azure --extra gcp --extra vault -o requirements/operator.txt pyproject.toml
	@$(LOCK) --group build -o requirements/build.txt

controlplane: setup  ## Kubernetes, of which most tests need the control plane: 5 to 15 minutes, once a version
	@$(BIN)/python -m e2e.clusters.build > /dev/null

promtool: setup  ## Prometheus's judge of alerts and dashboard: 2 to 6 minutes, once a version
	@$(BIN)/python -m e2e.clusters.build promtool > /dev/null

crds: setup  ## crds/, the chart's copy of it, and docs/reference/ anew from the models
	@$(BIN)/python -c 'from beemflow_secrets.cli.crds import write; write("crds"); write("charts/beemflow-secrets/files/crds")'
	@$(BIN)/python -m docs.reference

manifests: crds  ## manifests/ anew from the chart: everything in one file, and the rights alone; IMAGE=… is what it runs
	@$(BIN)/python -m e2e.manifests $(IMAGE)

image:  ## the operator's image, by Docker, or by buildah where Docker is not; IMAGE=… names it
	@e2e/image.sh $(IMAGE)

release: setup  ## wheel, image archive, chart, manifests, SBOM and kubectl's plugin, into dist/; IMAGE=… names the image
	@$(BIN)/python -m e2e.release $(IMAGE)

lint: setup  ## ruff, mypy, import-linter
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo

unit: setup  ## tests without sockets
	@$(BIN)/pytest tests/unit

contract: setup  ## every driver against its real server, or a fake of it
	@$(BIN)/pytest -n $(WORKERS) tests/contract

test: setup controlplane promtool lint  ## everything that needs no cluster with a node; .ci/run begins with it
	@$(BIN)/pytest -n $(WORKERS)

e2e: setup  ## the operator's image on a cluster with a node: kind, or one of our own; 20 minutes the first time, as root
	@$(BIN)/python -m e2e.prepare
	@$(BIN)/pytest --timeout 600 e2e/tests

docs: crds  ## the site, into build/docs
	@$(BIN)/sphinx-build --quiet --fail-on-warning --nitpicky docs build/docs
	@echo "docs: build/docs/index.html"

bench: setup controlplane  ## what the operator costs, as JSON; WORKLOADS="cold --pairs 1" chooses, see docs/benchmarks.md
	@$(BIN)/python -m benchmarks $(WORKLOADS)

demo: setup  ## the main job in under a minute; BACKEND=vault, aws, azure, gcp or 1password; CLUSTER=current: your context's
	@$(BIN)/python -m e2e.demo up $(or $(BACKEND),vault) $(CLUSTER)

demo-down: setup  ## stop what the demo left running
	@$(BIN)/python -m e2e.demo down

live: setup  ## the contract suite on a real service with your own login; BACKEND=aws, azure, gcp, vault or 1password
	@$(BIN)/python -m e2e.live "$(BACKEND)"

clean:  ## remove what was made here; the cache folder stays
	@rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -prune -exec rm -rf {} +
