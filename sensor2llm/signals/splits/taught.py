"""Who taught an encoder or an adapter, kept with it: enough to know them again in other data.

taught = Taught.of(store, np.concatenate([split.train, split.validation]))
taught.check(other_store, other_split.test, "the encoder 'mine'")
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sensor2llm.errors import ArtefactError, DataError
from sensor2llm.signals.splits.leaks import Rows, distinct_rows, listed
from sensor2llm.signals.splits.people import known_people
from sensor2llm.signals.store.windows import Windows

logger = logging.getLogger(__name__)
SKETCH = 8
"""Windows kept of a person: those of the least hashes, which other windows beside them leave so."""
TRIED = 64


@dataclass(frozen=True, kw_only=True)
class Taught:
    """Hold the people whose windows something was learned from or chosen on."""

    people: tuple[str, ...] = ()
    source: str = ""
    parts: Mapping[str, str] = field(default_factory=dict)
    windows: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """By person, the hashes of some windows; empty for what was made before they were kept."""

    @classmethod
    def of(cls, store: Windows, rows: Rows) -> "Taught":
        """Take the people of these windows."""
        rows, digests = np.asarray(rows), np.asarray(store.digests)
        ids, windows = np.asarray(store.subject_ids)[rows], {}
        for person in np.unique(ids).tolist():
            own = rows[ids == person]
            _, first = np.unique(digests[own], return_index=True)
            sketched = list(distinct_rows(store, own[first[:TRIED]]))[:SKETCH]
            windows[store.subject_names[person]] = tuple(digests[sketched].tolist())
        return cls(
            people=tuple(windows), source=store.source, parts=dict(store.parts), windows=windows
        )

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "Taught":
        """Read what `to_dict` gave."""
        windows = plain["windows"].items()
        return cls(
            people=tuple(plain["people"]),
            source=plain["source"],
            parts=plain["parts"],
            windows={name: tuple(int(h, 16) for h in text.split()) for name, text in windows},
        )

    @classmethod
    def from_manifest(cls, manifest: Mapping[str, Any]) -> "Taught":
        """Read who taught an encoder; those of the first format name people alone.

        Raises:
            ArtefactError: it cannot be read.
        """
        try:
            if "taught" in manifest:
                return cls.from_dict(manifest["taught"])
            stated = (manifest.get("recipe") or {}).get("people") or {}
            people = [*stated.get("train", ()), *stated.get("validation", ())]
            return cls(
                people=tuple(people),
                source=manifest.get("source") or "",
                parts=manifest.get("parts") or {},
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ArtefactError(
                f"an encoder's manifest does not say who taught it as expected ({error!r}); fetch "
                "or train it again"
            ) from error

    def to_dict(self) -> dict[str, Any]:
        """Give plain JSON types, a line a person."""
        return {
            "people": list(self.people),
            "source": self.source,
            "parts": dict(self.parts),
            "windows": {
                name: " ".join(f"{digest:016x}" for digest in digests)
                for name, digests in self.windows.items()
            },
        }

    def check(self, store: Windows, rows: Rows, what: str) -> None:
        """Refuse windows of people who taught; say what cannot be checked.

        Raises:
            DataError: naming the people.
        """
        if not self.people:
            logger.warning(
                "%s does not say who taught it: whether people who are tested here did cannot be "
                "checked", what,
            )  # fmt: skip
            return
        ids, names = np.asarray(store.subject_ids)[rows], store.subject_names
        tested = [names[i] for i in np.unique(ids).tolist()]
        people = dict(zip(tested, known_people(tested, store.source, store.parts), strict=True))
        taught = set(known_people(self.people, self.source, self.parts))
        hashes = [digest for digests in self.windows.values() for digest in digests]
        seen = np.isin(np.asarray(store.digests)[rows], np.array(hashes, np.uint64))
        leaked = {name for name, person in people.items() if person in taught}
        leaked |= {names[i] for i in np.unique(ids[seen]).tolist()}
        if leaked:
            raise DataError(
                f"leak: {what} was made with people who are tested here "
                f"({listed(sorted(leaked))}); use the same split for both"
            )
        sources, alike = {source for source, _ in taught}, {name for _, name in taught}
        others = sorted(
            name for name, (source, key) in people.items() if key in alike and source not in sources
        )
        if others:
            logger.warning(
                "%s was made with people of the same names (%s) from another source (%s, here %s); "
                "they are taken for others", what, listed(others), _short(self.source),
                _short(store.source),
            )  # fmt: skip


def _short(source: str) -> str:
    return repr(source if len(source) <= 40 else source[:37] + "...")
