# framewright: `make help` lists what there is to do.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?=
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
FUZZ_STAMP := $(VENV)/.installed-fuzz
AZURITE_STAMP := .azurite/.installed

# What the user typed goes to the demo through the environment, letter for letter: a file name may
# hold spaces, quotes, percent and dollar signs.
override VIDEO := $(value VIDEO)
override STYLE := $(value STYLE)
override SCORER := $(value SCORER)
export VIDEO STYLE SCORER KEEP FRESH

.PHONY: help install demo up put publish pools test azurite lint format e2e arrivals torture torture-hour fuzz bench train \
  down clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

install: $(STAMP) ## make .venv with everything in it, at the tested versions

$(STAMP): pyproject.toml constraints.txt
	@python=$$(bash deployments/find_python.sh "$(PYTHON)") && \
	  if [ ! -x $(BIN)/python ]; then "$$python" -m venv $(VENV); fi
	@echo "Installing the versions of constraints.txt into $(VENV): one to three minutes."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[azure,flow,records,dev]'
	@touch $@

demo: $(STAMP) ## stylise a clip: make demo [VIDEO=my.mp4] [STYLE=wave or my.jpg] [SCORER=fast] [KEEP=1] [FRESH=1]
	@$(BIN)/python demo/run.py

up: $(STAMP) $(AZURITE_STAMP) ## start all of it here: storage, server, cluster, worker, relay
	@$(BIN)/python -m deployments.up up

put: $(STAMP) ## put a video into the storage that `make up` has started: make put VIDEO=my.mp4 [STYLE=my.jpg]
	@$(BIN)/python -m deployments.up put "$$VIDEO" --style "$$STYLE"

publish: $(STAMP) ## deploy prefect.yaml to PREFECT_API_URL: make publish TO="--incoming A --outgoing B --sweep on"
	@$(BIN)/python -m deployments.publish $(TO)

pools: $(STAMP) ## make a work pool on PREFECT_API_URL: make pools KIND=kubernetes SET="--set image=NAME:TAG"
	@$(BIN)/python -m deployments.pools create $(KIND) $(SET)

test: lint $(if $(filter no,$(AZURITE)),,$(AZURITE_STAMP)) ## everything that must hold: style, types, layers, tests [AZURITE=no]
	FAIL_WITHOUT_AZURITE=$(if $(filter no,$(AZURITE)),0,1) $(BIN)/python -m pytest -n auto --dist loadfile

azurite: $(AZURITE_STAMP) ## only the emulator of Azure storage, for tests of it: .azurite

$(AZURITE_STAMP): deployments/azurite/package-lock.json | $(STAMP)
	@bash deployments/azurite/install.sh $(BIN)/python
	@touch $@

lint: $(STAMP) ## style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m deployments.lint

format: $(STAMP) ## put the code into the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

e2e: $(STAMP) $(AZURITE_STAMP) ## the tests with a real server, cluster, worker, storage and relay
	$(BIN)/python -m pytest -m e2e

arrivals: $(AZURITE_STAMP) ## 100 videos scored while relay and server are killed; 1,000 messages that are none [ARRIVALS=100]
	FAIL_WITHOUT_AZURITE=1 $(BIN)/python -m pytest -m slow -s tests/relay

torture: $(STAMP) ## every good and bad file through the whole path: make torture [ONLY="gif hevc"] [JOBS=2]
	@$(BIN)/python -m tests.torture.run $(if $(ONLY),--only $(ONLY)) $(if $(JOBS),--jobs $(JOBS))

torture-hour: $(STAMP) ## an hour of video, 90,000 frames, checked one by one, and the memory it takes
	@$(BIN)/python -m tests.torture.hour

fuzz: $(FUZZ_STAMP) ## break good files in COUNT ways, fuzz what reads stored data: make fuzz [SEED=1] [COUNT=2000]
	$(BIN)/python -m tests.fuzz.run --seed $(or $(SEED),1) --count $(or $(COUNT),2000)
	$(BIN)/python -m tests.fuzz.guided --seed $(or $(SEED),1)

$(FUZZ_STAMP): $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[fuzz]'
	@touch $@

bench: $(STAMP) ## measure; rows go to benchmarks/results.csv
	$(BIN)/python -m benchmarks.run

train: $(STAMP) ## train all weights that are shipped: make train TRAIN="--vgg FILE --paintings DIR --photos DIR --out DIR"
	$(BIN)/python -m training $(TRAIN)

down: ## stop what `make up` or `make demo KEEP=1` left running
	@if [ -x $(BIN)/python ]; then $(BIN)/python -m deployments.local_stack down; a=$$?; $(BIN)/python -m deployments.up down && exit $$a; fi

clean: down ## remove what was built and measured, and .stack (videos and results of `make up`), not the results in output/
	rm -rf $(VENV) .azurite .demo .stack .fuzz build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
