"""Label every window of a recording, and write a row a window."""

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, repeat
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import csv, parquet

from sensor2llm.adapter.files import find_adapter
from sensor2llm.archive.bouts import SUMS, clock_text, window_length_s, without_empty_day
from sensor2llm.artefacts.atomic_write import replace_file
from sensor2llm.artefacts.manifest import read_manifest
from sensor2llm.errors import ConfigError, DataError
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.mapping.data_map import SAME, DataMap, parse_map
from sensor2llm.signals.spec import SignalSpec
from sensor2llm.signals.window import Window
from sensor2llm.tasks.batch_split import BatchSplitOnOOM
from sensor2llm.tasks.classification import Prediction, classify
from sensor2llm.tasks.likeness import UNKNOWN, LikenessVerdict, RecordingJudge
from sensor2llm.tasks.loading import load_model

SUFFIXES = (".csv", ".parquet", ".json")
logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Labelling:
    """Say who labels what, alike in every process; `sums` are made of the windows' labels.

    `overlap` is the share of a window that the next one repeats; `batch_size` windows go at a time;
    with `llm_accept`, so does another LLM that labels the adapter's check windows alike. `abstain`
    is the share of wrong labels that is taken; see `LabelRows`. `map` says what of the device
    stands for what; see `parse_map`. `placement` is where the device is worn.
    """

    adapter: str
    llm: str | None = None
    llm_accept: bool = False
    overlap: float = 0.0
    batch_size: int = 64
    summary: bool = False
    bouts: bool = False
    abstain: float | None = None
    map: Sequence[str] = ()
    placement: str | None = None

    def __post_init__(self) -> None:
        check_risk(self.abstain)
        if not 0 <= self.overlap < 1:
            raise ConfigError(f"overlap must be from 0 to below 1, got {self.overlap:g}")
        check_batch_size(self.batch_size)

    @property
    def sums(self) -> tuple[str, ...]:
        """Name what is made of the windows' labels: summary, bouts."""
        return tuple(name for name in SUMS if getattr(self, name))

    @property
    def spec(self) -> SignalSpec:
        """Give what the adapter's windows are; its weights are not read."""
        manifest = read_manifest(find_adapter(self.adapter), "adapter", "train_adapter")
        return SignalSpec.from_dict(manifest["spec"])

    def load(self) -> SensorLanguageModel:
        """Load the adapter with its LLM; see `load_model`."""
        accept, place = self.llm_accept, self.placement
        return load_model(self.adapter, self.llm, llm_accept=accept, placement=place)


def label_file(
    model: SensorLanguageModel,
    file: str | Path,
    *,
    overlap: float = 0.0,
    batch_size: int = 64,
    ledger: Ledger | None = None,
    data_map: DataMap = SAME,
    judge: RecordingJudge | None = None,
) -> Iterator[Prediction]:
    """Cut a recording by the adapter's spec and yield what the model says of each window.

    Memory does not grow with the number of windows. The ledger counts what is labelled, and why
    the rest is not; `data_map` says what of the device stands for what, and the judge watches.

    Raises:
        DataError: the file cannot be read, or holds no whole window.
    """
    ledger = Ledger() if ledger is None else ledger
    windows = data_map.read(Path(file), model.adapter.spec, overlap, ledger)
    windows = windows if judge is None else judge.watch(windows)
    yield from label_recording(model, windows, Path(file).name, ledger, batch_size)


def label_recording(
    model: SensorLanguageModel,
    windows: Iterable[Window],
    name: str,
    ledger: Ledger,
    batch_size: int = 64,
) -> Iterator[Prediction]:
    """Label a recording's windows as they come; raises DataError where there is none."""
    first = True
    for prediction in label_windows(model, windows, batch_size):
        first = False
        yield prediction
    if first:
        raise no_window(name, model.adapter.spec, ledger)


def no_window(name: str, spec: SignalSpec, ledger: Ledger) -> DataError:
    """Give the error of a recording of which no window could be cut, with what became of it."""
    length = f"of {spec.length_text} " if spec.length_text else ""
    why = "".join(f"; {line}" for line in ledger.lines())
    return DataError(f"{name} holds no whole window {length}without gaps{why}")


def label_windows(
    model: SensorLanguageModel, windows: Iterable[Window], batch_size: int = 64
) -> Iterator[Prediction]:
    """Label windows as they come, a batch at a time.

    Raises:
        SpecError: a window does not fit the adapter's spec.
        ConfigError: the adapter says no labels.
    """
    check_batch_size(batch_size)
    if not model.prompting.classifies:
        tasks = ", ".join(model.adapter.templates)
        raise ConfigError(f"this adapter says no labels, its tasks are {tasks}; take another")
    coming, halving = iter(windows), BatchSplitOnOOM()
    while part := list(islice(coming, batch_size)):
        yield from classify(model, part, batch_size=batch_size, halving=halving)


class LabelRows:
    """Write what is said of windows as rows, and say unknown where the adapter should not be asked.

    With `abstain`, a share of wrong labels, a label is `unknown` where its probability is too low
    for that share, and throughout recordings that are unlike what the adapter learned from.

    Raises:
        ConfigError: the adapter is not calibrated.
    """

    def __init__(self, model: SensorLanguageModel, abstain: float | None = None) -> None:
        trust = model.adapter.trust
        self.judge, self._least = RecordingJudge(trust.profile), trust.least_confidence(abstain)
        self.abstains = abstain is not None

    def rows(
        self, predictions: Iterable[Prediction], verdict: LikenessVerdict
    ) -> Iterator[dict[str, Any]]:
        """Give a row a window; `verdict` is of the same windows."""
        judged = self.judge.profile is not None
        checks: Iterable[str | None] = verdict.columns if judged else repeat(None)
        for prediction, check in zip(predictions, checks, strict=judged):
            row = prediction_row(prediction)
            yield self._label(row) if check is None else self.finish(row, check)

    def _label(self, row: dict[str, Any], unlike: bool = False) -> dict[str, Any]:
        unsure = self.abstains and (unlike or row["probability"] < self._least)
        return row | {"label": UNKNOWN} if unsure else row

    def finish(self, row: dict[str, Any], check: str) -> dict[str, Any]:
        """Give a window's row with the check that its recording fails; '' for none."""
        return self._label(row, bool(check)) | {"unlike": check}


def check_risk(risk: float | None) -> None:
    """Raise ConfigError for what is no share of wrong labels."""
    if risk is not None and not 0 <= risk < 1:
        raise ConfigError(f"abstain is a share of wrong labels, from 0 to below 1, got {risk:g}")


def prediction_row(prediction: Prediction) -> dict[str, Any]:
    """Return a window as a row: start_s, subject if known, label, probability, `p_LABEL` of all."""
    p = prediction
    who = {"subject": p.subject} if p.subject not in (None, "unknown") else {}
    row = {"start_s": p.start_s, **who, "label": p.label, "probability": p.probabilities[p.label]}
    return row | {f"p_{name}": share for name, share in p.probabilities.items()}


def tell_rows(
    labelling: Labelling, file: Path, out: Path | None = None, *, as_json: bool = False
) -> str:
    """Label one recording and give what a verb prints of it; what got no label is logged.

    Rows go to the file `out` where one is named: those of the summary or the bouts where one is
    wanted. Raises ConfigError where it cannot be written.
    """
    if out:
        check_out(out)
        if len(labelling.sums) > 1:
            raise ConfigError("one file holds one table; write --summary and --bouts one by one")
    model, ledger, sums = labelling.load(), Ledger(), {}
    labels = LabelRows(model, labelling.abstain)
    length_s = window_length_s(model.adapter.spec) if labelling.sums else 0.0
    data_map = parse_map(labelling.map, model.adapter.spec)
    options: dict[str, Any] = {"overlap": labelling.overlap, "batch_size": labelling.batch_size}
    options |= {"ledger": ledger, "data_map": data_map, "judge": labels.judge}
    labelled = list(label_file(model, file, **options))
    verdict = labels.judge.verdict()
    rows = list(labels.rows(labelled, verdict))
    tell(file.name, ledger, verdict)
    for name in labelling.sums:
        table = SUMS[name](pa.Table.from_pylist(rows), length_s)
        sums[name] = without_empty_day(table).to_pylist()
    if out:
        write_rows(next(iter(sums.values()), rows), out)
    if as_json:
        plain = {"file": file.name, "windows": rows, **sums, "ledger": ledger.to_dict()}
        plain |= {"likeness": verdict.to_dict()} if labels.judge.profile else {}
        return json.dumps(plain, ensure_ascii=False)
    if out:
        made = "".join(f", {name} of {len(some)} rows" for name, some in sums.items())
        return f"{len(rows)} windows{made} -> {out}"
    return "\n".join(_LINES[name](row) for name, some in (sums or {"windows": rows}).items()
                     for row in some)  # fmt: skip


def tell(name: str, ledger: Ledger, verdict: LikenessVerdict) -> None:
    """Log what became of a recording's windows, and what of them is unlike training."""
    for line in ledger.lines():
        logger.info("%s: %s", name, line)
    for line in verdict.lines(name):
        logger.warning("%s", line)


def summary_line(row: Mapping[str, Any]) -> str:
    """Write the minutes of a label, and whose and when they are, for people."""
    whose = "".join(f"{row[name]}  " for name in ("subject", "day") if row.get(name))
    return f"{whose}{row['minutes']:>10.2f} min  {row['label']}"


def _bout_line(row: Mapping[str, Any]) -> str:
    start, end = clock_text(row["start_s"]), clock_text(row["end_s"])
    return f"{start:>12} to {end:>12}  {row['probability']:.2f}  {row['label']}"


_LINES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "windows": lambda row: f"{row['start_s']:>10.2f} s  {row['probability']:.2f}  {row['label']}",
    "summary": summary_line,
    "bouts": _bout_line,
}


def check_out(path: Path) -> None:
    """Raise ConfigError, before any work is done, for a file name that ends in nothing known."""
    if path.suffix not in SUFFIXES:
        raise ConfigError(f"cannot write {path.name}; end it in {', '.join(SUFFIXES)}")


def write_rows(rows: list[dict[str, Any]], path: Path) -> None:
    """Write rows as CSV, Parquet or JSON; an old file stays whole until the new one is."""
    check_out(path)
    with replace_file(path) as part:
        if path.suffix == ".json":
            part.write_text(json.dumps(rows, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        elif path.suffix == ".csv":
            csv.write_csv(pa.Table.from_pylist(rows), part)
        else:
            parquet.write_table(pa.Table.from_pylist(rows), part)


def check_batch_size(batch_size: int) -> None:
    """Raise ConfigError for less than one window at a time."""
    if batch_size < 1:
        raise ConfigError(f"batch_size must be positive, got {batch_size}")
