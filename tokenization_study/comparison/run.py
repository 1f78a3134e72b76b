"""Run the comparison: one sample of test windows, one frozen LLM, a row for every way to ask.

    report = compare("uci-har", "stores/uci_har", "runs/comparison")
    report["rows"][0]["macro_f1"]

Every row is kept in OUT/rows with a hash of its exact inputs (the LLM, every prompt's text, the
settings): a comparison that was interrupted goes on where it was. Nothing is chosen on test people.
"""

import hashlib
import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from sensor2llm.adapter.files import find_adapter
from sensor2llm.artefacts.atomic_write import sole_writer, update_folder
from sensor2llm.errors import ConfigError
from sensor2llm.evaluation.evaluation import evaluate_adapter
from sensor2llm.library_output import log_library_output
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.store.windows import Windows
from sensor2llm.tasks.loading import load_model
from sensor2llm.tasks.metrics import measure, paired_difference
from sensor2llm.training.record import versions, write_json
from tokenization_study.comparison.config import FACTS, ComparisonConfig
from tokenization_study.comparison.prompts import (
    PromptAnswers,
    TextRows,
    ask,
    choose_examples,
    fitting,
    learn_prompt,
    measure_prior,
    positions_of,
    text_model,
)
from tokenization_study.comparison.sample import ComparisonSample
from tokenization_study.comparison.table import (
    ComparisonRow,
    RowStore,
    digest,
    encoded_row,
    markdown,
    report_of,
    with_metrics,
)
from tokenization_study.comparison.texts import WindowTexts

logger = logging.getLogger(__name__)
CONTROLS = {
    "majority": ("nothing", "the most frequent training label"),
    "text_only": ("encoded inputs", "signal taken away (text only)"),
    "probe": ("encoder features", "logistic regression, no LLM"),
}
ENCODED = ComparisonRow(input="encoded inputs", prompt="adapter")
FULL = ComparisonRow(input="raw numbers: plain, full rate", prompt="zero-shot, counted only")
PROMPTS = {"zero_shot": "zero-shot", "few_shot": "few-shot", "encoded": "learned soft prompt"}


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
        out: folder of comparison.json, comparison.md and the rows.
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
    run = _Comparison(
        load_model(adapter, llm), find_adapter(adapter), WindowStore.open(data), out, config
    )  # fmt: skip
    log_library_output(Path(out) / "log.txt")
    rows = list(run.rows())
    facts = run.facts() | {"command": command, "versions": versions()}
    report = report_of(_against_encoded(rows, run), facts)
    with update_folder(out) as part:
        write_json(part / "comparison.json", report)
        (part / "comparison.md").write_text(markdown(report), encoding="utf-8")
    return report


def _against_encoded(rows: list[ComparisonRow], run: "_Comparison") -> list[ComparisonRow]:
    """Add to each row how far the encoded inputs are above it, on the same windows."""
    encoded = next(row for row in rows if row.name == ENCODED.name)
    best = run.sample.predictions(np.array(encoded.predicted))
    compared = []
    for row in rows:
        if row.predicted and row is not encoded:
            others = run.sample.predictions(np.array(row.predicted))
            difference, interval = paired_difference(best, others, seed=run.config.seed)
            row = replace(row, encoded_minus_this=difference, encoded_minus_this_interval=interval)
        compared.append(row)
    return compared


@dataclass
class _Comparison:
    """One run: which prompts are measured on which windows."""

    model: SensorLanguageModel
    folder: Path
    store: Windows
    out: Path
    config: ComparisonConfig

    def __post_init__(self) -> None:
        if self.model.adapter.encoder is None:
            raise ConfigError("compare needs an adapter with an encoder; this one reads text")
        self.sample = ComparisonSample(self.model.adapter, self.store, self.config)
        # Numbers are written of the windows that the adapter hears.
        self.store = self.sample.windows.store
        self.row_store = RowStore(self.out / "rows")
        self.texts = WindowTexts(self.store, self.sample.split.train, self.config)

    @cached_property
    def same(self) -> list[str]:
        """Name what all rows depend on: the LLM, as stored and in memory, and the windows."""
        llm, rows = self.model.llm, hashlib.sha256(np.asarray(self.sample.test).tobytes())
        data = [self.store.fingerprint, rows.hexdigest()]
        return [llm.identity, llm.fingerprint(), *data, str(self.config.seed)]

    def rows(self) -> Iterator[ComparisonRow]:
        """Measure every row, the quick ones first."""
        yield from self._encoded()
        yield self._full_rate()
        forms = [*self.config.serialisers, FACTS]
        zero_shot = {form: self._prompted(form, "zero_shot") for form in forms}
        yield from zero_shot.values()
        if self.config.shots:
            for form in forms:
                yield self._prompted(form, "few_shot")
        best = sorted(
            self.config.serialisers, key=lambda form: -(zero_shot[form].validation_macro_f1 or 0)
        )
        if self.config.soft_tokens:
            for form in [*best[: self.config.learned], FACTS]:
                yield self._prompted(form, "encoded")

    def _encoded(self) -> Iterator[ComparisonRow]:
        """Measure the adapter and its controls."""
        stored = [self.folder / name for name in ("bridge.safetensors", "sensor2llm.json")]
        state = [hashlib.sha256(p.read_bytes()).hexdigest() for p in stored if p.is_file()]
        inputs = digest(self.same, state)
        results: dict[str, Any] = {}

        def measured() -> dict[str, Any]:
            if not results:
                judge = partial(
                    evaluate_adapter, self.model, self.store, self.sample.split,
                    rows=self.sample.test, seed=self.config.seed,
                )  # fmt: skip
                score, text = judge(controls=True), judge(by="text")
                predicted = tuple(score.predictions.predicted.tolist())
                results.update(score=score.metrics, text=text.metrics, predicted=predicted)
            return results

        yield self.row_store.get(ENCODED, inputs, lambda: encoded_row(ENCODED, measured()))
        for name, (source, prompt) in CONTROLS.items():
            blank = ComparisonRow(input=source, prompt=prompt)

            def make(blank: ComparisonRow = blank, control: str = name) -> ComparisonRow:
                metrics = measured()["score"]["controls"][control]
                positions = metrics["tokens_per_window"] if control == "text_only" else 0
                return with_metrics(blank, metrics, positions=positions or 0.0)

            yield self.row_store.get(blank, inputs, make)

    def _full_rate(self) -> ComparisonRow:
        """Count the positions of plain numbers as recorded; nothing is run."""
        model = text_model(self.model.adapter, self.model.llm, "zero_shot", {})
        inputs = digest(self.same, model.prompting.text(signal=""))

        def make() -> ComparisonRow:
            positions = positions_of(model, self.texts.write_full(self.sample.test))
            return replace(
                FULL,
                positions=float(positions.mean()),
                not_fitting=int((~fitting(model, positions)).sum()),
                windows=len(positions),
            )

        return self.row_store.get(FULL, inputs, make)

    def _prompted(self, form: str, prompt: str) -> ComparisonRow:
        """Ask the LLM with windows as text."""
        what = "summary statistics" if form == FACTS else f"raw numbers: {form}"
        blank = ComparisonRow(input=what, prompt=PROMPTS[prompt])
        train, validation, test = (
            TextRows(self.texts.write(form, rows), self.sample.windows.labels[rows])
            for rows in (self.sample.train, self.sample.validation, self.sample.test)
        )
        variables = self.texts.variables(form)
        if prompt == "few_shot":
            examples = self._examples(form)
            examples = choose_examples(self.model, variables, examples, test)
            variables["examples"] = examples
            blank = replace(blank, prompt=f"few-shot, {len(examples)} examples")
        learned = prompt == "encoded"
        model = text_model(
            self.model.adapter, self.model.llm, prompt, variables,
            self.config.soft_tokens if learned else 0,
        )  # fmt: skip
        texts: list[Any] = [model.prompting.text(signal=""), test.texts, validation.texts]
        if learned:
            settings = asdict(self.config)
            keys = ("soft_tokens", "epochs", "learning_rate", "train_windows")
            texts += [train.texts, {key: settings[key] for key in keys}]
        inputs = digest(self.same, texts)

        def make() -> ComparisonRow:
            measure_prior(model, train)
            if learned:
                folder = self.out / "learned" / f"{form}-{inputs[:12]}"
                learn_prompt(model, train, validation, self.config, folder, {"inputs": inputs})
            row = self._row(blank, ask(model, test, self.config), len(test))
            if prompt == "few_shot":
                return row
            checked = ask(model, validation, self.config, write=False)
            predictions = self.sample.predictions(checked.scored, rows=self.sample.validation)
            metrics = measure(predictions)
            return replace(row, validation_macro_f1=metrics.macro_f1)

        return self.row_store.get(blank, inputs, make)

    def _row(self, blank: ComparisonRow, answers: PromptAnswers, windows: int) -> ComparisonRow:
        metrics = measure(
            self.sample.predictions(answers.scored, answers.probabilities), seed=self.config.seed
        )
        written = measure(self.sample.predictions(answers.written), seed=self.config.seed)
        texts = answers.written[answers.fits]
        return replace(
            blank,
            macro_f1=metrics.macro_f1,
            interval=metrics.interval,
            written_macro_f1=written.macro_f1,
            unparsed_rate=float(np.mean(texts < 0)) if len(texts) else None,
            positions=float(answers.positions.mean()),
            not_fitting=int((~answers.fits).sum()),
            windows=windows,
            seconds_per_window=answers.seconds / max(len(texts), 1),
            predicted=tuple(answers.scored.tolist()),
        )

    def _examples(self, form: str) -> list[dict[str, str]]:
        """Write solved training windows, labels in turn."""
        rows, labels = self.sample.draw_shots()
        names, texts = self.model.adapter.label_texts, self.texts.write(form, rows)
        return [
            {"numbers": text, "label": names[label]}
            for text, label in zip(texts, labels, strict=True)
        ]

    def facts(self) -> dict[str, Any]:
        """Say what was compared on what."""
        people = self.store.subjects[self.sample.test]
        return {
            "adapter": self.folder.name,
            "llm": self.model.llm.name,
            "llm_identity": self.model.llm.identity,
            "context": self.model.llm.context,
            "data": self.store.source,
            "windows": len(self.sample.test),
            "index": self.sample.test.tolist(),
            "people": len(np.unique(people)),
            "labels": list(self.model.adapter.label_names),
            "reduction": self.texts.reduction,
            "config": {k: list(v) if isinstance(v, tuple) else v
                       for k, v in asdict(self.config).items()},
        }  # fmt: skip
