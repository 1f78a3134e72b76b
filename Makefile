# Two commands: `make demo` runs the main job, `make test` runs every check. Both set up .venv.
PYTHON ?= python3
BIN := .venv/bin
export HF_HUB_OFFLINE ?= 1
export TOKENIZERS_PARALLELISM ?= false

.PHONY: setup demo test test-slow lint tables
setup: .venv/.installed

.venv/.installed: pyproject.toml
	@test -d .venv || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	@$(BIN)/python -m pip install --quiet --editable ".[all]" --group test --group lint
	@touch $@

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
