"""Run the comparison: one sample of test windows, one frozen LLM, a row for every way to ask.

    report = compare("uci-har", "stores/uci_har", "runs/comparison")
    report["rows"][0]["macro_f1"]

Every row is kept in OUT/rows with a hash of its exact inputs (the LLM, every prompt's text, the
settings): a comparison that was interrupted goes on where it was. Nothing is chosen on test people.
"""

import hashlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from sensor2llm.adapter.files import find_adapter
from sensor2llm.artefacts.atomic_write import sole_writer, update_folder
from sensor2llm.errors import ConfigError
from sensor2llm.evaluation.evaluation import checked_split, evaluate_adapter
from sensor2llm.library_output import log_library_output
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.signals.splits.splits import Split
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.store.windows import Windows
from sensor2llm.tasks.aligned import AdapterWindows
from sensor2llm.tasks.loading import load_model
from sensor2llm.tasks.metrics import Predictions, measure, paired_difference
from sensor2llm.training.record import versions, write_json
from tokenization_study.comparison.config import FACTS, ComparisonConfig
from tokenization_study.comparison.prompts import (
    Said,
    TextRows,
    ask,
    fitting,
    learn_prompt,
    measure_prior,
    positions_of,
    text_model,
)
from tokenization_study.comparison.rows import ComparisonRow, RowStore, digest
from tokenization_study.comparison.sample import stratified_sample
from tokenization_study.comparison.table import markdown, report_of
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
    best = run.predictions(np.array(encoded.predicted))
    found = []
    for row in rows:
        if row.predicted and row is not encoded:
            said = run.predictions(np.array(row.predicted))
            difference, interval = paired_difference(best, said, seed=run.config.seed)
            row = replace(row, encoded_minus_this=difference, encoded_minus_this_interval=interval)
        found.append(row)
    return found


@dataclass
class _Comparison:
    """One run: who is asked about which windows."""

    model: SensorLanguageModel
    folder: Path
    store: Windows
    out: Path
    config: ComparisonConfig

    def __post_init__(self) -> None:
        if self.model.adapter.encoder is None:
            raise ConfigError("compare needs an adapter with an encoder; this one reads text")
        self.windows = AdapterWindows(self.store, self.model.adapter)
        # Numbers are written of the windows that the adapter hears.
        self.store = self.windows.store
        self.kept = RowStore(self.out / "rows")
        self.texts = WindowTexts(self.store, self.split.train, self.config)

    @cached_property
    def split(self) -> Split:
        adapter = self.model.adapter
        return checked_split(adapter.recipe, self.store, adapter.taught, "the adapter")

    def part(self, name: str, count: int) -> np.ndarray:
        """Draw the sample of one part."""
        rows = self.windows.labelled(self.split[name])
        people = np.asarray(self.store.subject_ids)[rows]
        return stratified_sample(rows, people, self.windows.labels[rows], count, self.config.seed)

    @cached_property
    def test(self) -> np.ndarray:
        return self.part("test", self.config.windows)

    @cached_property
    def validation(self) -> np.ndarray:
        return self.part("validation", self.config.validation_windows)

    @cached_property
    def train(self) -> np.ndarray:
        return self.part("train", self.config.train_windows)

    @cached_property
    def same(self) -> list[str]:
        """Name what all rows depend on: the LLM, as stored and in memory, and the windows."""
        llm, rows = self.model.llm, hashlib.sha256(np.asarray(self.test).tobytes())
        data = [self.store.fingerprint, rows.hexdigest()]
        return [llm.identity, llm.fingerprint(), *data, str(self.config.seed)]

    def rows(self) -> Iterator[ComparisonRow]:
        """Measure every row, the quick ones first."""
        yield from self._encoded()
        yield self._full_rate()
        forms = [*self.config.serialisers, FACTS]
        asked = {form: self._asked(form, "zero_shot") for form in forms}
        yield from asked.values()
        if self.config.shots:
            for form in forms:
                yield self._asked(form, "few_shot")
        best = sorted(self.config.serialisers, key=lambda f: -(asked[f].validation_macro_f1 or 0))
        if self.config.soft_tokens:
            for form in [*best[: self.config.learned], FACTS]:
                yield self._asked(form, "encoded")

    def predictions(
        self, predicted: np.ndarray, probabilities: np.ndarray | None = None,
        rows: np.ndarray | None = None,
    ) -> Predictions:  # fmt: skip
        """Put the truth beside what was said."""
        rows = self.test if rows is None else rows
        return Predictions(
            labels=self.model.adapter.label_names,
            true=self.windows.labels[rows],
            predicted=predicted,
            subjects=self.store.subjects[rows],
            probabilities=probabilities,
        )

    def _encoded(self) -> Iterator[ComparisonRow]:
        """Measure the adapter and its controls."""
        stored = [self.folder / name for name in ("bridge.safetensors", "sensor2llm.json")]
        state = [hashlib.sha256(p.read_bytes()).hexdigest() for p in stored if p.is_file()]
        inputs = digest(self.same, state)
        found: dict[str, Any] = {}

        def measured() -> dict[str, Any]:
            if not found:
                judge = partial(
                    evaluate_adapter, self.model, self.store, self.split,
                    rows=self.test, seed=self.config.seed,
                )  # fmt: skip
                score, text = judge(controls=True), judge(by="text")
                said = tuple(score.predictions.predicted.tolist())
                found.update(score=score.metrics, text=text.metrics, said=said)
            return found

        yield self.kept.get(ENCODED, inputs, lambda: _encoded_row(measured()))
        for name, (given, asked) in CONTROLS.items():
            blank = ComparisonRow(input=given, prompt=asked)
            control = name

            def make(blank: ComparisonRow = blank, control: str = control) -> ComparisonRow:
                metrics = measured()["score"]["controls"][control]
                positions = metrics["tokens_per_window"] if control == "text_only" else 0
                return _with(blank, metrics, positions=positions or 0.0)

            yield self.kept.get(blank, inputs, make)

    def _full_rate(self) -> ComparisonRow:
        """Count the positions of plain numbers as recorded; nothing is run."""
        model = text_model(self.model.adapter, self.model.llm, "zero_shot", {})
        inputs = digest(self.same, model.prompting.text(signal=""))

        def make() -> ComparisonRow:
            positions = positions_of(model, self.texts.write_full(self.test))
            return replace(
                FULL,
                positions=float(positions.mean()),
                not_fitting=int((~fitting(model, positions)).sum()),
                windows=len(positions),
            )

        return self.kept.get(FULL, inputs, make)

    def _asked(self, form: str, prompt: str) -> ComparisonRow:
        """Ask the LLM with windows as text."""
        what = "summary statistics" if form == FACTS else f"raw numbers: {form}"
        blank = ComparisonRow(input=what, prompt=PROMPTS[prompt])
        train, validation, test = (
            TextRows(self.texts.write(form, rows), self.windows.labels[rows])
            for rows in (self.train, self.validation, self.test)
        )
        given = self.texts.given(form)
        if prompt == "few_shot":
            given["examples"] = self._examples(form, given, test)
            blank = replace(blank, prompt=f"few-shot, {len(given['examples'])} examples")
        learned = prompt == "encoded"
        model = text_model(
            self.model.adapter, self.model.llm, prompt, given,
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
            metrics = measure(self.predictions(checked.scored, rows=self.validation))
            return replace(row, validation_macro_f1=metrics.macro_f1)

        return self.kept.get(blank, inputs, make)

    def _row(self, blank: ComparisonRow, said: Said, windows: int) -> ComparisonRow:
        metrics = measure(self.predictions(said.scored, said.probabilities), seed=self.config.seed)
        written = measure(self.predictions(said.written), seed=self.config.seed)
        fits = max(int(said.fits.sum()), 1)
        return replace(
            blank,
            macro_f1=metrics.macro_f1,
            interval=metrics.interval,
            written_macro_f1=written.macro_f1,
            unparsed_rate=float(np.mean(said.written[said.fits] < 0)) if said.fits.any() else None,
            positions=float(said.positions.mean()),
            not_fitting=int((~said.fits).sum()),
            windows=windows,
            seconds_per_window=said.seconds / fits,
            predicted=tuple(said.scored.tolist()),
        )

    def _examples(self, form: str, given: Mapping[str, Any], test: TextRows) -> list[Any]:
        """Choose training windows of labels in turn, as many as fit beside the longest window."""
        generator = np.random.default_rng(self.config.seed)
        labels = self.windows.labels[self.train]
        orders = [generator.permutation(np.unique(labels)) for _ in range(self.config.shots)]
        chosen = np.concatenate(orders)[: self.config.shots]
        rows = [int(generator.choice(self.train[labels == label])) for label in chosen]
        names = self.model.adapter.label_texts
        examples = [
            {"numbers": text, "label": names[label]}
            for text, label in zip(self.texts.write(form, rows), chosen.tolist(), strict=True)
        ]
        longest = max(test.texts, key=len)
        while len(examples) > 1:
            tried = {**given, "examples": examples}
            model = text_model(self.model.adapter, self.model.llm, "few_shot", tried)
            if fitting(model, positions_of(model, [longest])).all():
                break
            examples = examples[:-1]
        return examples

    def facts(self) -> dict[str, Any]:
        """Say what was compared on what."""
        people = self.store.subjects[self.test]
        return {
            "adapter": self.folder.name,
            "llm": self.model.llm.name,
            "llm_identity": self.model.llm.identity,
            "context": self.model.llm.context,
            "data": self.store.source,
            "windows": len(self.test),
            "index": self.test.tolist(),
            "people": len(np.unique(people)),
            "labels": list(self.model.adapter.label_names),
            "reduction": self.texts.reduction,
            "config": {k: list(v) if isinstance(v, tuple) else v
                       for k, v in asdict(self.config).items()},
        }  # fmt: skip


def _encoded_row(found: dict[str, Any]) -> ComparisonRow:
    score, text = found["score"], found["text"]
    row = _with(ENCODED, score, positions=score["tokens_per_window"])
    return replace(
        row,
        written_macro_f1=text["macro_f1"],
        unparsed_rate=text["unparsed_rate"],
        seconds_per_window=1 / max(score["windows_per_s"], 1e-9),
        predicted=found["said"],
    )


def _with(blank: ComparisonRow, metrics: dict[str, Any], positions: float) -> ComparisonRow:
    interval = metrics["interval"]
    return replace(
        blank,
        macro_f1=metrics["macro_f1"],
        interval=(interval[0], interval[1]) if interval else None,
        positions=float(positions),
        windows=metrics["windows"],
    )
