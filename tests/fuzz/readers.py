"""Every reader as one call on a folder: what it reads is gone through to its end.

A reader gives nothing where all went well, or says which windows or rows were lost without a word.
"""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.fuzz.seeds import SEEDS, SOURCES

TOKENIZED = ["3.14, -2 7\n", "é 1", "", "  12\t"]


def _source(name: str, folder: Path) -> str:
    from sensor2llm.datasets.catalogue import open_source
    from sensor2llm.signals.reader_options import SourceOptions

    published = name.removesuffix("_wrist").removesuffix("_text").removesuffix("_wfdb")
    options = SourceOptions(window_s=10.0) if published == "wesad" else SourceOptions()
    return _consume(open_source(published, folder, options))


def _table(folder: Path) -> str:
    from sensor2llm.datasets.catalogue import open_source
    from sensor2llm.signals.reader_options import SourceOptions

    return _consume(open_source(str(folder / "table.yaml"), None, SourceOptions()))


def _consume(reading: Any) -> str:
    kept = 0
    for window in reading.windows:
        reading.spec.check(window)
        kept += 1
        for name, values in window.signals.items():
            if not np.isfinite(values).all():
                return f"a window of {name} holds what is no number"
    return _balance(reading.ledger, kept)


def _balance(ledger: Any, kept: int) -> str:
    if ledger.unbalanced():
        return f"the ledger does not balance: {ledger.unbalanced()}"
    counted = ledger["windows"].kept
    return f"{kept} windows, {counted} in the ledger" if counted and counted != kept else ""


def _walk(folder: Path) -> Path:
    """Find the file that is read, whatever it is called now; one that is not there without it."""
    paths = [path for path in sorted(folder.iterdir()) if path.is_file()]
    return paths[0] if paths else folder / "walk.csv"


def _recording(folder: Path) -> str:
    from sensor2llm.signals.ledger.ledger import Ledger
    from sensor2llm.signals.tables.windows import read_windows
    from tests.signals.stores import SPEC

    file = _walk(folder)
    ledger, kept = Ledger(), 0
    for window in read_windows(file, SPEC, ledger=ledger):
        SPEC.check(window)
        kept += 1
    return _balance(ledger, kept)


def _store(folder: Path) -> str:
    from sensor2llm.signals.store.store import WindowStore

    store = WindowStore.open(folder / "store")
    for window in store:
        store.spec.check(window)
        f"{window.label} {window.subject}".encode()
    return ""


def _adapter(folder: Path) -> str:
    from sensor2llm.adapter.adapter import SensorAdapter
    from tests.models import windows

    adapter = SensorAdapter.load(folder / "adapter")
    adapter.features(adapter.collate(windows(2)))
    " ".join([*adapter.label_names, adapter.llm_name, adapter.form]).encode()
    return ""


def _encoder(folder: Path) -> str:
    from sensor2llm.encoders.files import read_manifest
    from sensor2llm.recipes.encoder import load_encoder
    from sensor2llm.signals.dataset import collate_windows
    from sensor2llm.signals.splits.taught import Taught
    from tests.models import windows

    heard = load_encoder(folder / "encoder")
    Taught.from_manifest(read_manifest(folder / "encoder"))
    heard.encoder.features(
        collate_windows(windows(2), heard.encoder.spec, heard.normaliser, ("rest", "walk"))
    )
    return ""


def _prompt(folder: Path) -> str:
    from sensor2llm.llm.templates import PromptTemplate

    template = PromptTemplate.load(folder / "p.yaml")
    variables = {"soft": "<|soft|>" * 8, "signal": "<|signal|>" * 8, "labels": ["a", "b"],
                 "numbers": "1, 2", "examples": [{"numbers": "1", "label": "a"}]}  # fmt: skip
    for form in template.forms:
        template.messages(form, **variables)
        template.answer(form, label="a")
    return ""


@functools.cache
def _recipe_parser() -> Any:
    from sensor2llm.command import recipe_parser
    from sensor2llm.recipes.config import Recipe

    return recipe_parser("train_adapter", None, Recipe)


def _recipe(folder: Path) -> str:
    from sensor2llm.command import parse, to_config
    from sensor2llm.recipes.config import Recipe

    parser = _recipe_parser()
    to_config(parser, parse(parser, [f"--config={folder / 'recipe.yaml'}"]), Recipe)
    return ""


def _audit(folder: Path) -> str:
    from tests.tokenization_study.constructed import whole_numbers
    from tokenization_study.audit import audit
    from tokenization_study.config import AuditConfig

    file = _walk(folder)
    serialiser = "as_written" if file.suffix == ".txt" else "plain"
    report = audit(
        file,
        [whole_numbers()],
        [serialiser],
        config=AuditConfig(sample_values=300, probe_values=40),
    )
    report.markdown().encode()
    return ""


def _tokenizer(name: str, folder: Path) -> str:
    from tokenization_study.tokenizers.loaders.split_patterns import PATTERNS
    from tokenization_study.tokenizers.tokenizers import load_tokenizer

    tokenizer = load_tokenizer(str(folder / name), pattern=PATTERNS["gpt2"])
    encoded = tokenizer.encode(TOKENIZED)
    for i, text in enumerate(TOKENIZED):
        if any(not 0 <= a <= b <= len(text) for a, b in encoded.spans_of(i)):
            return f"tokens of {text!r} lie outside of it"
        for token in encoded.ids_of(i):
            tokenizer.token_text(token)
    return ""


def _reader(name: str) -> Callable[[Path], str]:
    if name in SOURCES:
        return functools.partial(_source, name)
    kind, _, rest = name.partition("_")
    if kind == "tokenizer":
        return functools.partial(_tokenizer, rest)
    kinds = {
        "table": _table, "recording": _recording, "audit": _audit, "store": _store,
        "adapter": _adapter, "encoder": _encoder, "prompt": _prompt, "recipe": _recipe,
    }  # fmt: skip
    return kinds[kind]


READERS = {name: _reader(name) for name in SEEDS}
"""Reader -> a call on a folder like its seed's; what it gives is what was lost silently."""
