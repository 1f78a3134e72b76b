"""What the tools do, without the protocol: adapters are loaded when they are first needed."""

import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from sensor2llm.adapter.files import find_adapter
from sensor2llm.archive.labelling import LabelRows, check_risk, label_recording, prediction_row
from sensor2llm.artefacts.manifest import read_manifest
from sensor2llm.errors import ConfigError, DataError, UserError, listed
from sensor2llm.serving.measured import measured_line
from sensor2llm.serving.notes import noted
from sensor2llm.serving.served_models import LIMITS, ServedModel, describe_adapter, load_models
from sensor2llm.serving.tools.results import (
    AdapterFit,
    AdapterSummary,
    FileLabels,
    FileSummary,
    StreamLabels,
    WindowAnswer,
    WindowLabel,
)
from sensor2llm.serving.tools.streams import StreamShelf
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.mapping.numbered import find_window, numbered_windows
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.tables.columns import column_names
from sensor2llm.signals.window import Window
from sensor2llm.tasks.dialogue.dialogue import Dialogue
from sensor2llm.tasks.dialogue.heard_window import HeardWindow

MOST_LABELS, MOST_LOADED = 200, 2
"""Windows that are listed one by one, and adapters that stay loaded."""
TABLES = (".csv", ".csv.gz", ".tsv", ".parquet", ".pq")


class SensorToolbox:
    """Look at files, label them and live streams, and answer about windows.

    Args:
        adapters: names of those that may be used.
        llm: another place of their LLM.
        abstain: the share of wrong labels that is taken; see `LabelRows`.

    Raises:
        ConfigError: the share is none.
        ArtefactError: one of the names is no adapter.
    """

    def __init__(
        self, adapters: Sequence[str], llm: str | None = None, abstain: float | None = None
    ) -> None:
        check_risk(abstain)
        self._places = {Path(place).name: find_adapter(place) for place in adapters}
        for place in self._places.values():
            read_manifest(place, "adapter", "train_adapter")
        self._llm, self._abstain, self._loaded = llm, abstain, dict[str, ServedModel]()
        self._lock, self._streams = threading.Lock(), StreamShelf()

    def list_adapters(self) -> list[AdapterSummary]:
        """Describe every adapter; no weight is read."""
        described = (describe_adapter(name, place) for name, place in self._places.items())
        return [AdapterSummary.model_validate(plain) for plain in described]

    def look_at_file(self, path: str) -> FileSummary:
        """Describe a file, and say of every adapter whether it hears it.

        Raises:
            UserError: there is no such file, or it cannot be read at all.
        """
        file = _file(path)
        size = file.stat().st_size if file.is_file() else _folder_bytes(file)
        columns = list(column_names(file)) if file.name.endswith(TABLES) else []
        fits = [self._fit(name, file) for name in self._places]
        return FileSummary(file=file.name, size_bytes=size, columns=columns, adapters=fits)

    def _fit(self, name: str, file: Path) -> AdapterFit:
        manifest = read_manifest(self._places[name], "adapter", "train_adapter")
        spec, heard, ledger = SignalSpec.from_dict(manifest["spec"]), set[str](), Ledger()
        count, why = 0, ""
        with noted() as notes:
            try:
                for window in numbered_windows(file, spec, ledger=ledger)[1]:
                    heard, count = heard | set(window.signals), count + 1
                why = "" if count else "it holds no whole window"
            except UserError as error:
                count, why = 0, str(error)
        missing = [sensor for sensor in spec.names if sensor not in heard]
        lines = [*notes, *ledger.lines()]
        return AdapterFit(adapter=name, windows=count, missing=missing, why=why, notes=lines)

    def classify_file(self, path: str, adapter: str, overlap: float = 0.0) -> FileLabels:
        """Label every window of a file.

        Raises:
            UserError: the file cannot be read, or holds no whole window.
        """
        file, ledger = _file(path), Ledger()
        with self._lock, noted() as notes:
            numbered = numbered_windows(file, self._load(adapter).spec, overlap, ledger)
            fields, lines = self._labels(adapter, file.name, *numbered, ledger)
        return FileLabels(file=file.name, notes=[*notes, *lines], **fields)

    def classify_stream(self, source: str, adapter: str, seconds: float = 15.0) -> StreamLabels:
        """Label the last seconds of a live stream such as lsl://NAME (Lab Streaming Layer).

        The first call begins to listen, and waits for so many seconds; later ones answer at once.

        Raises:
            UserError: there is no such stream, or no whole window came.
        """
        with self._lock:
            spec = self._load(adapter).spec
        tail = self._streams.open(source, adapter, spec)
        windows, age_s = tail.last(seconds)
        ledger = Ledger() if windows else tail.feed.ledger
        with self._lock, noted() as notes:
            fields, lines = self._labels(adapter, source, count(1), windows, ledger)
        notes = [*tail.notes, *notes, *lines]
        return StreamLabels(source=source, age_s=age_s, notes=notes, **fields)

    def _labels(
        self,
        adapter: str,
        name: str,
        numbers: Iterable[int],
        windows: Iterable[Window],
        ledger: Ledger,
    ) -> tuple[dict[str, Any], list[str]]:
        """Label a recording's windows; raises DataError where there is none."""
        model = self._load(adapter).model
        rows = LabelRows(model, self._abstain)
        predictions = list(label_recording(model, rows.judge.watch(windows), name, ledger))
        verdict = rows.judge.verdict()
        labels = [
            WindowLabel(number=number, unlike=row.get("unlike", ""), **_certainty(row))
            for row, number in zip(rows.rows(predictions, verdict), numbers, strict=False)
        ]
        fields = {
            "adapter": adapter,
            "windows": len(labels),
            "counts": dict(Counter(one.label for one in labels)),
            "unlike": sum(bool(one.unlike) for one in labels),
            "mean_probability": min(1.0, sum(one.probability for one in labels) / len(labels)),
            "labels": labels[:MOST_LABELS],
            "left_off": max(0, len(labels) - MOST_LABELS),
            "measured": measured_line(self._places[adapter]),
            "limits": LIMITS,
        }
        return fields, [*verdict.lines(name), *ledger.lines()]

    def ask_about_window(
        self, path: str, adapter: str, question: str, number: int = 1
    ) -> WindowAnswer:
        """Answer a question about one window of a file.

        Raises:
            UserError: there is no such window, or the question cannot be asked.
        """
        file = _file(path)
        with self._lock, noted() as notes:
            served = self._load(adapter)
            dialogue = Dialogue(served.model, answerer=served.answerer)
            heard = dialogue.attach(find_window(file, served.spec, number), file.name)
            answer = dialogue.ask(question)
        return WindowAnswer(
            adapter=adapter,
            file=file.name,
            number=number,
            answer=answer.said,
            kind=answer.kind,
            source=answer.source,
            probability=answer.probability,
            probabilities=dict(answer.probabilities),
            from_signal=answer.measured,
            label=_label(number, heard),
            notes=notes,
            measured=measured_line(self._places[adapter]),
            limits=LIMITS,
        )

    def _load(self, name: str) -> ServedModel:
        """Give an adapter with its LLM; the latest ones stay loaded."""
        if name not in self._places:
            raise ConfigError(f"there is no adapter {name!r}; choose from {listed(self._places)}")
        if name not in self._loaded:
            while len(self._loaded) >= MOST_LOADED:
                del self._loaded[next(iter(self._loaded))]
            place = str(self._places[name])
            self._loaded |= load_models([place], self._llm, abstain=self._abstain)
        served = self._loaded.pop(name)
        self._loaded[name] = served
        return served


def _file(path: str) -> Path:
    file = Path(path).expanduser()
    if not file.exists():
        raise DataError(f"{path} does not exist; give the file's whole path")
    return file


def _folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _label(number: int, heard: HeardWindow) -> WindowLabel | None:
    if heard.prediction is None:
        return None
    row = prediction_row(heard.prediction) | {"label": heard.label}
    return WindowLabel(number=number, unlike=heard.unlike, **_certainty(row))


def _certainty(row: dict[str, Any]) -> dict[str, Any]:
    probability = min(1.0, row["probability"])
    return {"start_s": row["start_s"], "label": row["label"], "probability": probability}
