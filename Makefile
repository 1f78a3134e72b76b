# Two commands: `make demo` runs the main job, `make test` runs every check. Both set up .venv.
# CONTRIBUTING.md lists the others.
PYTHON ?= python3
BIN := .venv/bin
export HF_HUB_OFFLINE ?= 1
export TOKENIZERS_PARALLELISM ?= false

TORCH := torch>=2.11,<2.14
PIP := $(BIN)/python -m pip --quiet --quiet --disable-pip-version-check

.PHONY: setup demo container test test-slow test-newest lint lock docs house notebooks tables bench coverage mutants kill-test fuzz
setup: .venv/.installed

# torch comes first and by its range: with hashes pip would fetch the CUDA build of several gigabytes.
.venv/.installed: pyproject.toml requirements.lock
	@test -d .venv || $(PYTHON) -m venv .venv
	@$(PIP) install --upgrade "pip>=25.1"
	@$(PIP) install "$(TORCH)"
	@$(PIP) install --no-deps --require-hashes --requirement requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m pip check >&2
	@touch $@

# uv's own lock files hold host addresses, this form does not. UV is a uv program anywhere on the path.
UV ?= $(BIN)/python -m uv
lock:
	@$(BIN)/python -m uv --version >/dev/null 2>&1 || $(PIP) install --group lock
	@$(UV) export --quiet --upgrade --format requirements-txt --no-header --no-annotate --no-emit-project \
	  --prune torch --extra all --group build --group torch-needs --group test --group lint --group docs --output-file requirements.lock
	@rm -f uv.lock

DEMO := runs/demo
# Who talks at the end: a released adapter, on the language model that it states, and its like on the bundled one.
TALK := uci-har
TALK_BUNDLED := uci-har-bundled
# The main job, verb by verb: each line is what a person would type.
demo: setup
	@rm -rf $(DEMO)
	$(BIN)/python -m sensor2llm.prepare simulated --simulation.scenario phone --simulation.subjects 1 \
	  --simulation.sessions 1 --simulation.bout_s 6 --out $(DEMO)/phone
	$(BIN)/python -m sensor2llm.classify uci-har-bundled $(DEMO)/phone
	$(BIN)/python -m sensor2llm.prepare simulated --out $(DEMO)/store
	$(BIN)/python -m sensor2llm.pretrain_encoder --data $(DEMO)/store --finetune true --out $(DEMO)/encoder
	$(BIN)/python -m sensor2llm.train_adapter --data $(DEMO)/store --encoder $(DEMO)/encoder --out $(DEMO)/adapter
	$(BIN)/python -m sensor2llm.evaluate $(DEMO)/adapter --data $(DEMO)/store --controls --missing
	printf '%s\n' "What does an accelerometer measure?" "What is walking?" "/labels" "/save $(DEMO)/chat.md" | \
	  $(BIN)/python -m sensor2llm.chat $(DEMO)/adapter --window $(DEMO)/store --number 200 --picture $(DEMO)/window.png
	@$(BIN)/python -m sensor2llm get smollm2 && adapter=$(TALK) || \
	  { adapter=$(TALK_BUNDLED); echo "smollm2 cannot be had here; the conversation is with the bundled model"; }; \
	printf '%s\n' "What is the person doing?" "Is the person lying down?" "What does an accelerometer measure?" | \
	  $(BIN)/python -m sensor2llm.chat $$adapter --window $(DEMO)/phone
	@echo "picture: $(DEMO)/window.png   results: $(DEMO)/adapter/README.md   transcript: $(DEMO)/chat.md"
	@echo "a page for recordings: $(BIN)/sensor2llm serve uci-har-bundled --abstain   then open http://127.0.0.1:8000"

lint: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

# The site, every warning an error; into docs/_build.
docs: setup
	@$(BIN)/python -m sphinx -q -W --keep-going -j auto -b html docs docs/_build

# The suite holds one thread a process, so that two cores run two files of tests at a time.
WORKERS ?= 2
test: lint docs
	@$(BIN)/python -m pytest -q --numprocesses $(WORKERS) --dist loadfile

tables: setup
	@$(BIN)/python -m benchmarks.tables

# Every benchmark of speed, against the last committed run: 20 minutes on two idle cores, an hour without bf16.
bench: setup
	@$(BIN)/python -m benchmarks.speed.suite
	@$(BIN)/python -m benchmarks.tables

house: setup
	@$(BIN)/python -m benchmarks.house

notebooks: setup
	@$(BIN)/python docs/execute_notebooks.py

test-slow: setup
	@$(BIN)/python -m pytest -q -m slow

# The suite with branch coverage of both packages; fails below what pyproject.toml asks for.
coverage: setup
	@$(BIN)/python -m pytest -q --cov --cov-report=term

# The Dockerfile's own steps, in a folder, where no image can be built.
container: setup
	@$(BIN)/python -m benchmarks.robustness.container_steps $${TMPDIR:-/tmp}/sensor2llm-image

# About an hour on two cores; goes on where it was stopped. See benchmarks/robustness/mutants.py.
mutants: setup
	@$(BIN)/python -m mutmut --version >/dev/null 2>&1 || $(PIP) install --group mutants
	@$(BIN)/python -m benchmarks.robustness.mutants

# The newest versions that pyproject.toml allows, in an environment of their own; torch stays as it is here.
NEWEST := .venv-newest
TESTS ?=
test-newest:
	@rm -rf $(NEWEST) && $(PYTHON) -m venv $(NEWEST)
	@$(NEWEST)/bin/python -m pip --quiet --quiet install --upgrade "pip>=25.1"
	@$(NEWEST)/bin/python -m pip --quiet --quiet install "$(TORCH)"
	@$(NEWEST)/bin/python -m pip --quiet --quiet install --editable ".[all]" --group build --group test --group docs --group lint
	@$(NEWEST)/bin/python -m benchmarks.robustness.newest $(TESTS)

kill-test: setup
	@$(BIN)/python -m benchmarks.robustness.kill_campaign

# 100,000 mutated files over all readers, within 90 minutes; goes on where it was stopped (runs/fuzz).
fuzz: setup
	@$(BIN)/python -m tests.fuzz --inputs 100000 --seconds 5400 --table
