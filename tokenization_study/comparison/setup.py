"""What the rows of a comparison share: the LLM, the windows, how they are written and judged."""

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from sensor2llm.errors import ConfigError
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.signals.store.windows import Windows
from sensor2llm.tasks.metrics import measure
from tokenization_study.comparison.config import FACTS, ComparisonConfig
from tokenization_study.comparison.rows import RAW, ComparisonRow, RowStore
from tokenization_study.comparison.sample import ComparisonSample
from tokenization_study.comparison.texts import WindowTexts


@dataclass
class Comparison:
    """Hold what every row of one comparison is measured with.

    Args:
        model: the adapter and its LLM.
        folder: of the adapter.
        store: the windows; from then on, as the adapter hears them.
        out: folder of what is kept.
        config: see `ComparisonConfig`.

    Raises:
        ConfigError: the adapter has no encoder, or the store not the modality that is wanted.
    """

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
        shared = (self.store, self.sample.train, self.config)
        self.reduced, self.whole = WindowTexts(*shared, self.config.rate_hz), WindowTexts(*shared)
        self.heard = replace(self.whole, config=replace(self.config, modality=None))

    @cached_property
    def same(self) -> list[str]:
        """Name what all rows depend on: the LLM, as stored and in memory, labels and windows."""
        llm, rows = self.model.llm, hashlib.sha256(np.asarray(self.sample.test).tobytes())
        data = [self.store.fingerprint, rows.hexdigest(), *self.model.adapter.label_texts]
        return [llm.identity, llm.fingerprint(), *data, str(self.config.seed)]

    def blank(self, form: str, texts: WindowTexts, prompt: str) -> ComparisonRow:
        """Name a row and what it sees."""
        source = RAW if form == RAW else f"{RAW}: {form}"
        if form == FACTS:
            source, texts = "summary statistics", self.heard
        elif texts is self.whole and self.reduced.reduces:
            source += ", full rate"
        return replace(self.seen(texts, form), input=source, prompt=prompt)

    def seen(self, texts: WindowTexts, form: str = RAW) -> ComparisonRow:
        """Say which sensors a row sees, at which rate, and how many numbers of a test window."""
        numbers = texts.numbers(form, self.sample.test)
        mean = float((~np.isnan(numbers)).sum(1).mean())
        return ComparisonRow(
            input="", prompt="", sensors=texts.sensors, rates=texts.rates, numbers=mean
        )

    def judged(
        self, blank: ComparisonRow, predicted: np.ndarray, probabilities: np.ndarray | None = None
    ) -> ComparisonRow:
        """Fill a row from what it says of the test windows."""
        predictions = self.sample.predictions(predicted, probabilities)
        metrics = measure(predictions, seed=self.config.seed)
        return replace(
            blank,
            macro_f1=metrics.macro_f1,
            interval=metrics.interval,
            windows=len(predicted),
            predicted=tuple(np.asarray(predicted).tolist()),
        )
