"""Parse a raw file of WISDM 2019 into segments of one activity each; `wisdm` has the rules."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Float, Float32, Float64

from sensor2llm.datasets.formats.text_tables import read_cells
from sensor2llm.datasets.motion.motion_tables import SLOW, in_order, is_slow, leave_out
from sensor2llm.errors import DataError
from sensor2llm.signals.ledger.ledger import Ledger

COLUMNS = ("subject", "code", "time", "x", "y", "z")
MAX_MALFORMED = 0.01
RESTART_S, MAX_GAP_S = 1.0, 0.5
# Of one file, within activities: the mean step, and all pauses together.
MAX_STEP_S, MAX_PAUSES_S = 1.0, 86_400.0
_NUMBER = r"^-?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$"
_WHOLE = r"^(\d{1,18}|[1-8]\d{18})$"


@dataclass(frozen=True, eq=False)
class LabelSegment:
    """Neighbouring samples of one activity: increasing stamps in seconds, values x, y, z."""

    subject: str
    code: str
    times_s: Float64[np.ndarray, " sample"]
    values: Float32[np.ndarray, "channel sample"]

    @property
    def duration_s(self) -> float:
        """Give the time from the first to the last sample."""
        return float(self.times_s[-1] - self.times_s[0])


def read_segments(
    path: Path, subject: str, codes: frozenset[str], ledger: Ledger
) -> Iterator[LabelSegment]:
    """Give a file's segments in order; what is dropped is counted in `ledger`."""
    rows = _parse(path, subject, codes, ledger)
    code = rows["code"].to_numpy(zero_copy_only=False).astype("U1")
    # Nanoseconds since 1970 do not fit a double; counted from a whole second they lose nothing.
    stamps = rows["time"].to_numpy()
    second = stamps[0] // 10**9
    times_s = (stamps - second * 10**9) * 1e-9 + second
    with np.errstate(over="ignore"):  # what becomes infinite cannot be, and is masked as such
        values = np.stack([rows[axis].to_numpy() for axis in "xyz"]).astype(np.float32)
    cuts = (code[1:] != code[:-1]) | (np.diff(times_s) <= -RESTART_S)
    bounds = np.r_[0, np.flatnonzero(cuts) + 1, len(code)]
    jumps_s = np.diff(times_s)[~cuts]
    if jumps_s.clip(0).sum() > MAX_STEP_S * len(times_s) + MAX_PAUSES_S:
        raise DataError(
            f"{path.name}: its clock jumps on by {jumps_s.max():g} s within an activity; expected "
            "stamps in ns some 50 ms apart; unpack the archive again"
        )
    for start, stop in pairwise(bounds):
        part = values[:, start:stop]
        stay, times = in_order(times_s[start:stop], part, ledger)
        if is_slow(times, MAX_GAP_S):
            leave_out(ledger, len(times), SLOW)
        elif len(times) > 1:
            yield LabelSegment(subject, str(code[start]), times, part[:, stay])
        else:
            leave_out(ledger, len(times), "alone in their segment")


def average_bursts(
    times_s: Float64[np.ndarray, " sample"],
    values: Float[np.ndarray, "channel sample"],
    rate_hz: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Average samples that lie closer than 3/4 of a step and within one step of `rate_hz`.

    Returns:
        Times and values: means over each group; samples at or below the rate stay as they are.
    """
    cell = np.floor(times_s * rate_hz)
    new = (np.diff(times_s) >= 0.75 / rate_hz) | (np.diff(cell) > 0)
    first = np.flatnonzero(np.r_[True, new])
    counts = np.diff(np.r_[first, len(times_s)])
    means = np.add.reduceat(values.astype(np.float64), first, axis=1) / counts
    # Offsets are averaged, not clock readings: sums of those would be rounded.
    offsets = np.add.reduceat(times_s - times_s[0], first) / counts
    return times_s[0] + offsets, means


def _parse(path: Path, subject: str, codes: frozenset[str], ledger: Ledger) -> pa.Table:
    text = path.read_bytes()
    if not text.strip():
        raise DataError(f"{path.name} is empty; unpack the archive again")
    table, ragged = read_cells(path, text, COLUMNS, "; \t")
    good = _well_formed(table, subject, codes)
    bad = ragged + len(table) - (pc.sum(good).as_py() or 0)
    leave_out(ledger, bad, "malformed")
    if bad > MAX_MALFORMED * (len(table) + ragged):
        form = rf"{subject},[{''.join(codes)}],\d{{1,18}}(,{_NUMBER.strip('^$')}){{3}};?\s*"
        good_line = f"{subject},A,252207666810782,-0.36,8.79,1.05;"
        raise malformed(path, text, form, (bad, len(table) + ragged), good_line)
    table = table.filter(good)
    if not len(table):
        raise DataError(f"{path.name} holds no sample; unpack the archive again")
    columns = {"code": table["code"], "time": pc.cast(table["time"], pa.int64())}
    columns |= {axis: pc.cast(table[axis], pa.float64()) for axis in "xyz"}
    return pa.table(columns)


def _well_formed(table: pa.Table, subject: str, codes: frozenset[str]) -> pa.ChunkedArray:
    good = pc.is_in(table["code"], pa.array(sorted(codes)))
    good = pc.and_(good, pc.equal(table["subject"], subject))
    good = pc.and_(good, pc.match_substring_regex(table["time"], _WHOLE))
    for axis in "xyz":
        good = pc.and_(good, pc.match_substring_regex(table[axis], _NUMBER))
    return good


def malformed(path: Path, text: bytes, form: str, counts: tuple[int, int], good: str) -> DataError:
    """Show the first malformed line: looked for only once there are too many.

    Args:
        path: Of the file.
        text: What is in it.
        form: A regular expression of a line.
        counts: How many samples are malformed, and of how many.
        good: What a sample looks like.
    """
    lines, (bad, samples) = text.decode(errors="replace").splitlines(), counts
    fits = re.compile(form).fullmatch
    wrong = ((i, line) for i, line in enumerate(lines, 1) if not fits(line))
    number, first = next(wrong, (1, lines[0]))
    return DataError(
        f"{path.name}: {bad} of {samples} samples ({bad / samples:.1%}) are malformed, at most "
        f"{MAX_MALFORMED:.0%} is accepted; the first is in line {number}: {first[:60]!r}, expected "
        f"{good!r}"
    )
