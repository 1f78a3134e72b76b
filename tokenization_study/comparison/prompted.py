"""Rows in which the frozen LLM reads windows as text: asked, or its hidden states probed."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from math import inf
from types import MappingProxyType
from typing import Any

import numpy as np

from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.tasks.metrics import measure
from tokenization_study.comparison.prompts import (
    BACKWARD,
    PRIOR_WINDOWS,
    PromptAnswers,
    TextRows,
    ask,
    choose_examples,
    fitting,
    learn_prompt,
    measure_prior,
    positions_of,
    text_model,
    time_window,
)
from tokenization_study.comparison.rows import (
    FEW_SHOT,
    LEARNED,
    STATES,
    ZERO_SHOT,
    ComparisonRow,
    digest,
)
from tokenization_study.comparison.setup import Comparison
from tokenization_study.comparison.states import probe_states, read_states
from tokenization_study.comparison.texts import WindowTexts

FORMS = {ZERO_SHOT: "zero_shot", FEW_SHOT: "few_shot", LEARNED: "encoded", STATES: "zero_shot"}


@dataclass
class PromptedRows:
    """Make the rows of one comparison that put windows into the prompt as text."""

    comparison: Comparison

    def asked(
        self, form: str, prompt: str, texts: WindowTexts | None = None, *, run: bool = True
    ) -> ComparisonRow:
        """Ask the LLM with windows as text; without `run`, only count and time."""
        c, texts = self.comparison, texts or self.comparison.reduced
        learned, chooses = prompt == LEARNED, prompt == ZERO_SHOT and texts is c.reduced
        blank, parts, variables = c.blank(form, texts, prompt), self._parts(texts, form), {}
        if prompt == FEW_SHOT:
            written = texts.variables(form), self._examples(form, texts)
            variables["examples"] = examples = choose_examples(c.model, *written, parts["test"])
            count = len(examples)
            blank = replace(blank, prompt=f"{FEW_SHOT}, {count} examples", labels=count)
        if learned:
            blank = replace(blank, labels=len(c.sample.train))
        model = self._model(form, prompt, texts, variables)
        cost = len(parts["test"]) * (1 + c.config.free_text)
        cost += min(PRIOR_WINDOWS, len(parts["train"]))
        cost += len(parts["validation"]) * (chooses or learned)
        cost += len(parts["train"]) * learned * BACKWARD * c.config.epochs
        settings = asdict(c.config)
        keys = ("free_text", *(("soft_tokens", "epochs", "learning_rate") if learned else ()))
        inputs = self._inputs(model, parts, [settings[key] for key in keys])

        def make() -> ComparisonRow:
            counted = self._counted(blank, model, parts["test"], cost if run else inf)
            if counted.note:
                return counted
            return self._measured(blank, model, parts, inputs, chooses=chooses)

        return c.row_store.get(blank, inputs, make, [run, c.config.row_minutes])

    def probed(self, form: str) -> ComparisonRow:
        """Fit a linear probe to the LLM's hidden states of the zero-shot prompt."""
        c = self.comparison
        blank = replace(c.blank(form, c.reduced, STATES), labels=len(c.sample.train))
        model, parts = self._model(form, STATES, c.reduced), self._parts(c.reduced, form)
        labels = {part: np.asarray(rows.labels) for part, rows in parts.items()}
        inputs = self._inputs(model, parts)

        def make() -> ComparisonRow:
            counted = self._counted(blank, model, parts["test"], sum(map(len, parts.values())))
            if counted.note:
                return counted
            states = {
                part: read_states(model, rows.texts, c.out / "states" / inputs[:16] / part)
                for part, rows in parts.items()
            }
            predicted, chosen = probe_states(states, labels, len(c.model.adapter.label_names))
            return replace(
                c.judged(blank, predicted),
                positions=counted.positions,
                seconds_per_window=counted.seconds_per_window,
                validation_macro_f1=chosen["validation_macro_f1"],
                note=f"layer {chosen['layer']}, {chosen['pooling']}",
            )

        return c.row_store.get(blank, inputs, make, [c.config.row_minutes])

    def _parts(self, texts: WindowTexts, form: str) -> dict[str, TextRows]:
        """Write the sampled windows of each part."""
        sample = self.comparison.sample
        rows = {"train": sample.train, "validation": sample.validation, "test": sample.test}
        return {
            part: TextRows(texts.write(form, which), sample.windows.labels[which])
            for part, which in rows.items()
        }

    def _model(
        self,
        form: str,
        prompt: str,
        texts: WindowTexts,
        variables: Mapping[str, Any] = MappingProxyType({}),
    ) -> SensorLanguageModel:
        c = self.comparison
        soft_tokens = c.config.soft_tokens if prompt == LEARNED else 0
        values = {**texts.variables(form), **variables}
        return text_model(c.model.adapter, c.model.llm, FORMS[prompt], values, soft_tokens)

    def _inputs(
        self, model: SensorLanguageModel, parts: Mapping[str, TextRows], *settings: Any
    ) -> str:
        """Hash all that a row is made from."""
        texts = {part: rows.texts for part, rows in parts.items()}
        prompt = model.prompting.text(signal="")
        return digest(self.comparison.same, prompt, texts, *settings)

    def _counted(
        self, blank: ComparisonRow, model: SensorLanguageModel, test: TextRows, cost: float
    ) -> ComparisonRow:
        """Count positions and time one window; a note says why the row is not to be run.

        Args:
            blank: the row.
            model: with the row's prompt.
            test: windows.
            cost: how many windows' time the row takes; infinite where it is not wanted.
        """
        positions = positions_of(model, test.texts)
        fits = fitting(model, positions)
        counted = replace(
            blank,
            positions=float(positions.mean()),
            not_fitting=int((~fits).sum()),
            windows=len(positions),
        )
        if not fits.any():
            return replace(counted, note="not run: no window fits the context")
        seconds = time_window(model, test)
        if cost * seconds > 60 * self.comparison.config.row_minutes:
            minutes = (len(test) + PRIOR_WINDOWS if cost == inf else cost) * seconds / 60
            note = f"not run: would take {minutes:.0f} min"
            return replace(counted, seconds_per_window=seconds, note=note)
        return replace(counted, seconds_per_window=seconds)

    def _measured(
        self,
        blank: ComparisonRow,
        model: SensorLanguageModel,
        parts: Mapping[str, TextRows],
        inputs: str,
        *,
        chooses: bool,
    ) -> ComparisonRow:
        """Learn the prompt where there is one, and ask about the test windows."""
        c = self.comparison
        measure_prior(model, parts["train"])
        if blank.prompt == LEARNED:
            folder = c.out / "learned" / inputs[:16]
            learn_prompt(
                model, parts["train"], parts["validation"], c.config, folder, {"inputs": inputs}
            )
        row = self._answered(blank, ask(model, parts["test"], c.config, write=c.config.free_text))
        if not chooses:
            return row
        scored = ask(model, parts["validation"], c.config).scored
        metrics = measure(c.sample.predictions(scored, rows=c.sample.validation))
        return replace(row, validation_macro_f1=metrics.macro_f1)

    def _answered(self, blank: ComparisonRow, answers: PromptAnswers) -> ComparisonRow:
        c, texts = self.comparison, answers.written[answers.fits]
        row = c.judged(blank, answers.scored, answers.probabilities)
        if c.config.free_text:
            written = measure(c.sample.predictions(answers.written), seed=c.config.seed)
            unparsed = float(np.mean(texts < 0)) if len(texts) else None
            row = replace(row, written_macro_f1=written.macro_f1, unparsed_rate=unparsed)
        return replace(
            row,
            positions=float(answers.positions.mean()),
            not_fitting=int((~answers.fits).sum()),
            seconds_per_window=answers.seconds / max(len(texts), 1),
        )

    def _examples(self, form: str, texts: WindowTexts) -> list[dict[str, str]]:
        """Write solved training windows, labels in turn."""
        rows, labels = self.comparison.sample.draw_shots()
        names, written = self.comparison.model.adapter.label_texts, texts.write(form, rows)
        return [
            {"numbers": text, "label": names[label]}
            for text, label in zip(written, labels, strict=True)
        ]
