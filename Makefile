# Two commands: `make demo` runs the main job, `make test` runs every check. Both set up .venv.
PYTHON ?= python3
BIN := .venv/bin
export HF_HUB_OFFLINE ?= 1
export TOKENIZERS_PARALLELISM ?= false

TORCH := torch>=2.11,<2.14
PIP := $(BIN)/python -m pip --quiet --quiet --disable-pip-version-check

.PHONY: setup demo test test-slow test-newest lint lock tables kill-test
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
	  --prune torch --extra all --group build --group torch-needs --group test --group lint --output-file requirements.lock
	@rm -f uv.lock

DEMO := runs/demo
# The main job, verb by verb: each line is what a person would type.
demo: setup
	@rm -rf $(DEMO)
	$(BIN)/python -m sensor2llm.prepare simulated --out $(DEMO)/store
	$(BIN)/python -m sensor2llm.pretrain_encoder --data $(DEMO)/store --finetune true --out $(DEMO)/encoder
	$(BIN)/python -m sensor2llm.train_adapter --data $(DEMO)/store --encoder $(DEMO)/encoder --out $(DEMO)/adapter
	$(BIN)/python -m sensor2llm.evaluate $(DEMO)/adapter --data $(DEMO)/store --controls --missing
	printf '%s\n' "What does an accelerometer measure?" "What is walking?" "/labels" "/save $(DEMO)/chat.md" | \
	  $(BIN)/python -m sensor2llm.chat $(DEMO)/adapter --window $(DEMO)/store --number 200 --picture $(DEMO)/window.png
	@echo "picture: $(DEMO)/window.png   results: $(DEMO)/adapter/README.md   transcript: $(DEMO)/chat.md"

lint: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

test: lint
	@$(BIN)/python -m pytest -q

tables: setup
	@$(BIN)/python -m benchmarks.tables

test-slow: setup
	@$(BIN)/python -m pytest -q -m slow

kill-test: setup
	@$(BIN)/python -m benchmarks.kill_campaign
