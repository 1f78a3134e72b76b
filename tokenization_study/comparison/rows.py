"""One row of the comparison: what was measured of it, and where it is kept."""

import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sensor2llm.training.record import write_json

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ComparisonRow:
    """What one way to give windows to the frozen LLM reached; the columns of the table.

    Args:
        input: what the LLM (or the control) is given.
        prompt: how it is asked, or how it is decided.
        macro_f1: by label scoring, over all windows; None where nothing was run.
        interval: of it, 95 %, people resampled.
        written_macro_f1: by what the LLM writes of itself; None where it writes nothing.
        unparsed_rate: share of written answers that are no label.
        positions: mean positions a window, everything counted.
        not_fitting: windows that are longer than the LLM's context; they count as wrong.
        windows: how many were judged.
        seconds_per_window: of label scoring, on this machine.
        encoded_minus_this: the encoded inputs' macro-F1 less this row's.
        encoded_minus_this_interval: of it, 95 %, people resampled.
        predicted: each window's label by scoring, -1 for none (kept, not shown).
        validation_macro_f1: on windows of validation people (kept, not shown).
    """

    input: str
    prompt: str
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
    predicted: tuple[int, ...] = ()
    validation_macro_f1: float | None = None

    @property
    def name(self) -> str:
        """Name the row's file."""
        words = f"{self.input} {self.prompt}".lower()
        return "_".join("".join(c if c.isalnum() else " " for c in words).split())

    def shown(self) -> dict[str, Any]:
        """Give the columns of the table."""
        plain = {k: v for k, v in asdict(self).items() if k not in ("predicted", *KEPT)}
        return {k: list(v) if isinstance(v, tuple) else v for k, v in plain.items()}


KEPT = ("validation_macro_f1",)


def digest(*parts: Any) -> str:
    """Hash what a row depends on."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True)
class RowStore:
    """Rows by the exact inputs they were made from, a file each."""

    folder: Path

    def get(
        self, blank: ComparisonRow, inputs: str, make: Callable[[], ComparisonRow]
    ) -> ComparisonRow:
        """Read a row that was made from these inputs, or make it and keep it."""
        path = self.folder / f"{blank.name}.json"
        if (kept := _read(path)) and kept.get("inputs") == inputs:
            return _row(kept["row"])
        row = make()
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
