"""Run the comparison: one sample of test windows, one frozen LLM, a row for every way to ask.

    report = compare("uci-har", "stores/uci_har", "runs/comparison")
    report["rows"][0]["macro_f1"]

Every row is kept in OUT/rows with a hash of its exact inputs (the LLM, every prompt's text, the
settings), hidden states in OUT/states: a comparison that was interrupted goes on where it was.
Nothing is chosen on test people.
"""

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from sensor2llm.adapter.files import find_adapter
from sensor2llm.artefacts.atomic_write import sole_writer, update_folder
from sensor2llm.library_output import log_library_output
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.tasks.loading import load_model
from sensor2llm.tasks.metrics import paired_difference
from sensor2llm.training.record import versions, write_json
from tokenization_study.comparison.config import FACTS, ComparisonConfig
from tokenization_study.comparison.prompted import PromptedRows
from tokenization_study.comparison.rows import (
    ADAPTER,
    FEW_SHOT,
    LEARNED,
    ZERO_SHOT,
    ComparisonRow,
)
from tokenization_study.comparison.setup import Comparison
from tokenization_study.comparison.table import markdown, report_of
from tokenization_study.comparison.unprompted import encoded_rows, forest_rows


def compare(
    adapter: str,
    data: str | Path,
    out: str | Path,
    config: ComparisonConfig | None = None,
    *,
    llm: str | None = None,
    command: str = "",
) -> dict[str, Any]:
    """Compare raw-number prompts with encoded inputs on an adapter's own LLM.

    Args:
        adapter: a folder, a released name or a hub name; it needs an encoder.
        data: the window store; test people are those of the adapter's recipe.
        out: folder of comparison.json, comparison.md, the rows and the hidden states.
        config: see `ComparisonConfig`.
        llm: another place where the adapter's LLM lies.
        command: what was typed; it is kept with the results.

    Raises:
        UserError: the adapter, the LLM or the store cannot be used, or do not fit.
    """
    with sole_writer(Path(out)):
        return _compare(adapter, data, Path(out), config or ComparisonConfig(), llm, command)


def _compare(
    adapter: str,
    data: str | Path,
    out: Path,
    config: ComparisonConfig,
    llm: str | None,
    command: str,
) -> dict[str, Any]:
    comparison = Comparison(
        load_model(adapter, llm), find_adapter(adapter), WindowStore.open(data), out, config
    )  # fmt: skip
    log_library_output(Path(out) / "log.txt")
    rows = list(_rows(comparison))
    facts = _facts(comparison) | {"command": command, "versions": versions()}
    report = report_of(_against_encoded(rows, comparison), facts)
    with update_folder(out) as part:
        write_json(part / "comparison.json", report)
        (part / "comparison.md").write_text(markdown(report), encoding="utf-8")
    return report


def _rows(comparison: Comparison) -> Iterator[ComparisonRow]:
    """Measure every row, the quick ones first."""
    config, prompted = comparison.config, PromptedRows(comparison)
    yield from encoded_rows(comparison)
    yield from forest_rows(comparison)
    zero_shot = {form: prompted.asked(form, ZERO_SHOT) for form in (*config.serialisers, FACTS)}
    yield from zero_shot.values()
    best = sorted(config.serialisers, key=lambda form: -(zero_shot[form].validation_macro_f1 or 0))
    for form in [*best[: config.learned], FACTS]:
        if config.shots:
            yield prompted.asked(form, FEW_SHOT)
        if config.soft_tokens:
            yield prompted.asked(form, LEARNED)
        yield prompted.probed(form)
    if comparison.reduced.reduces:
        left = config.learned
        for form in best:
            # The others are timed and counted.
            row = prompted.asked(form, ZERO_SHOT, comparison.whole, run=left > 0)
            left -= row.not_fitting == 0
            yield row


def _against_encoded(rows: list[ComparisonRow], comparison: Comparison) -> list[ComparisonRow]:
    """Add to each row how far the encoded inputs are above it, on the same windows."""
    encoded = next(row for row in rows if row.prompt == ADAPTER)
    best = comparison.sample.predictions(np.array(encoded.predicted))
    compared = []
    for row in rows:
        if row.predicted and row is not encoded:
            others = comparison.sample.predictions(np.array(row.predicted))
            difference, interval = paired_difference(best, others, seed=comparison.config.seed)
            row = replace(row, encoded_minus_this=difference, encoded_minus_this_interval=interval)
        compared.append(row)
    return compared


def _facts(comparison: Comparison) -> dict[str, Any]:
    """Say what was compared on what."""
    model, sample, config = comparison.model, comparison.sample, comparison.config
    people = comparison.store.subjects[sample.test]
    return {
        "adapter": comparison.folder.name,
        "llm": model.llm.name,
        "llm_identity": model.llm.identity,
        "context": model.llm.context,
        "data": comparison.store.source,
        "windows": len(sample.test),
        "index": sample.test.tolist(),
        "people": len(np.unique(people)),
        "labels": list(model.adapter.label_names),
        "reduction": _reduction(comparison),
        "config": {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(config).items()},
    }


def _reduction(comparison: Comparison) -> str:
    """Say what is left out of raw rows."""
    reduced, whole = comparison.reduced, comparison.whole
    text = f"{reduced.sensors} at {reduced.rates}"
    text += f" (full rate: {whole.rates})" if reduced.reduces else ""
    return f"{text}, {comparison.config.decimals} decimals"
