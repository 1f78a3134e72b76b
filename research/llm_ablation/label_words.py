"""Other words for a data set's labels: some to train with, some that training never says.

words = LabelWords.load("uci_har", store.label_names, "test")
words.unseen[0][2]                    the third word that training never says for the first label
words.sets                            unseen words, one a label, as many sets as there are

The list is `data/label_words.yaml`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from sensor2llm.errors import ConfigError

FILE = Path(__file__).resolve().parent / "data" / "label_words.yaml"
UNSEEN = {"test": "held_out", "validation": "validation"}
"""The words that judge beside a part's people."""


@dataclass(frozen=True)
class LabelWords:
    """Hold each label's words, in the order of the labels.

    Args:
        names: the labels as the data names them.
        train: what training may say for each label, its name first.
        unseen: what training never says; equally many for each label.

    Raises:
        ConfigError: a word stands twice, or labels have differently many unseen words.
    """

    names: tuple[str, ...]
    train: tuple[tuple[str, ...], ...]
    unseen: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        every = [word for words in (*self.train, *self.unseen) for word in words]
        twice = sorted({word for word in every if every.count(word) > 1})
        if twice:
            named = ", ".join(map(repr, twice))
            raise ConfigError(f"label words must differ; {named} stands there twice")
        counts = {name: len(words) for name, words in zip(self.names, self.unseen, strict=True)}
        if len(set(counts.values())) != 1 or 0 in counts.values():
            raise ConfigError(f"every label needs equally many unseen words, got {counts}")

    @property
    def sets(self) -> tuple[tuple[str, ...], ...]:
        """Give the unseen words as label sets: one word a label, each word in one set."""
        return tuple(zip(*self.unseen, strict=True))

    @classmethod
    def load(
        cls, data_set: str, names: Sequence[str], judges: str, path: Path = FILE
    ) -> "LabelWords":
        """Read the words of a data set's labels.

        Args:
            data_set: a key of the file.
            names: the labels.
            judges: whose unseen words: a key of `UNSEEN`.
            path: the file.

        Raises:
            ConfigError: the file has no such data set, or a label has no words there.
        """
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        if data_set not in content:
            listed = ", ".join(content)
            raise ConfigError(f"no label words for '{data_set}' in {path.name}; it has {listed}")
        labels = content[data_set]
        missing = [name for name in names if name not in labels]
        if missing:
            raise ConfigError(
                f"{path.name} has no words for {', '.join(map(repr, missing))} of '{data_set}'; "
                "add them under train, validation and held_out"
            )
        return cls(
            tuple(names),
            tuple((name, *labels[name]["train"]) for name in names),
            tuple(tuple(labels[name][UNSEEN[judges]]) for name in names),
        )
