"""The rows of the comparison, each kept as it is measured."""

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sensor2llm.training.record import write_json

logger = logging.getLogger(__name__)
# Of a row: in its file, not in the table.
NOT_SHOWN = ("predicted", "validation_macro_f1")
ENCODED, ADAPTER = "encoded inputs", "adapter"
RAW = "raw numbers"
ZERO_SHOT, FEW_SHOT, LEARNED = "zero-shot", "few-shot", "learned soft prompt"
STATES = "linear probe of the LLM's hidden states"
FOREST = "random forest without an LLM"


@dataclass(frozen=True, kw_only=True)
class ComparisonRow:
    """What one way to give windows to the frozen LLM reached; the columns of the table.

    Args:
        input: what the LLM (or the control) is given.
        prompt: how it is asked, or how it is decided.
        sensors: whose values it is given.
        rates: at which rate.
        numbers: mean numbers of a test window that it is given.
        labels: how many labelled training windows it is fitted to or shown.
        macro_f1: by label scoring, over all windows; None where nothing was run.
        interval: of it, 95 %, people resampled.
        written_macro_f1: by what the LLM writes of itself; None where it writes nothing.
        unparsed_rate: share of written answers that are no label.
        positions: mean positions a window, everything counted.
        not_fitting: windows that are longer than the LLM's context; they count as wrong.
        windows: how many were judged.
        seconds_per_window: of label scoring, on this machine; of its longest window where the row
            was not run.
        encoded_minus_this: the encoded inputs' macro-F1 less this row's.
        encoded_minus_this_interval: of it, 95 %, people resampled.
        note: what else a reader must know.
        predicted: each window's label by scoring, -1 for none (kept, not shown).
        validation_macro_f1: on windows of validation people (kept, not shown).
    """

    input: str
    prompt: str
    sensors: str = ""
    rates: str = ""
    numbers: float = 0.0
    labels: int = 0
    macro_f1: float | None = None
    interval: tuple[float, float] | None = None
    written_macro_f1: float | None = None
    unparsed_rate: float | None = None
    positions: float = 0.0
    not_fitting: int = 0
    windows: int = 0
    seconds_per_window: float | None = None
    encoded_minus_this: float | None = None
    encoded_minus_this_interval: tuple[float, float] | None = None
    note: str = ""
    predicted: tuple[int, ...] = ()
    validation_macro_f1: float | None = None

    @property
    def name(self) -> str:
        """Name the row's file."""
        words = f"{self.input} {self.prompt}".lower()
        return "_".join("".join(c if c.isalnum() else " " for c in words).split())

    def shown(self) -> dict[str, Any]:
        """Give the columns of the table."""
        plain = {k: v for k, v in asdict(self).items() if k not in NOT_SHOWN}
        return {k: list(v) if isinstance(v, tuple) else v for k, v in plain.items()}


def digest(*parts: Any) -> str:
    """Hash what a row depends on."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True)
class RowStore:
    """Rows by the exact inputs they were made from, a file each."""

    folder: Path

    def get(
        self,
        blank: ComparisonRow,
        inputs: str,
        make: Callable[[], ComparisonRow],
        limits: Sequence[Any] = (),
    ) -> ComparisonRow:
        """Read a row that was made from these inputs, or make it and keep it.

        Args:
            blank: names the row.
            inputs: hash of what it is made from.
            make: measures it.
            limits: why it may be counted only: a row that was not run is made again with others,
                one that was run stays.
        """
        path, not_run = self.folder / f"{blank.name}.json", digest(inputs, *limits)
        if (cached := _read(path)) and cached.get("inputs") in (inputs, not_run):
            return _row(cached["row"])
        row = make()
        inputs = not_run if row.macro_f1 is None else inputs
        write_json(path, {"inputs": inputs, "row": asdict(row)})
        f1 = "counted only" if row.macro_f1 is None else f"macro-F1 {row.macro_f1:.3f}"
        logger.info("%s, %s: %s, %.0f positions", row.input, row.prompt, f1, row.positions)
        return row


def _row(plain: dict[str, Any]) -> ComparisonRow:
    row = ComparisonRow(**plain)
    return replace(
        row,
        predicted=tuple(row.predicted),
        interval=None if row.interval is None else (row.interval[0], row.interval[1]),
    )


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def encoded_row(blank: ComparisonRow, results: dict[str, Any]) -> ComparisonRow:
    """Fill the adapter's row from its evaluations by score and by text."""
    score, text = results["score"], results["text"]
    row = with_metrics(blank, score, positions=score["tokens_per_window"])
    return replace(
        row,
        written_macro_f1=text["macro_f1"],
        unparsed_rate=text["unparsed_rate"],
        seconds_per_window=1 / max(score["windows_per_s"], 1e-9),
        predicted=results["predicted"],
    )


def with_metrics(blank: ComparisonRow, metrics: dict[str, Any], positions: float) -> ComparisonRow:
    """Fill a row from an evaluation's metrics."""
    interval = metrics["interval"]
    return replace(
        blank,
        macro_f1=metrics["macro_f1"],
        interval=(interval[0], interval[1]) if interval else None,
        positions=float(positions),
        windows=metrics["windows"],
    )
