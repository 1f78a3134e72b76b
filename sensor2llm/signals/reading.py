"""What a reader hands over: a spec, and windows that are read while they are written down."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.window import Window


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Windows of one data set, read lazily, and all that a `WindowStore` records beside them."""

    spec: SignalSpec
    windows: Iterator[Window]
    source: str
    """One line: data set, citation key and licence."""
    label_names: Sequence[str] | None = None
    """Label texts in their published order; `None` leaves the order of appearance."""
    published: Mapping[str, Sequence[str]] | None = None
    """Published splits, split name to subjects; `None` where there is none."""
    parts: Mapping[str, str] = field(default_factory=dict)
    """Of data sets side by side: name -> source; people are named `name/person`."""
    total: int | None = None
    """How many windows come, where that is known beforehand."""
    ledger: Ledger = field(default_factory=Ledger)
    """What was read, and what became of it, counted while `windows` is consumed."""

    def __iter__(self) -> Iterator[Window]:
        return self.windows
