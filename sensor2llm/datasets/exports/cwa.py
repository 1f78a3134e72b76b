"""Read Axivity's .cwa: a header of 1,024 bytes, then blocks of 512 bytes with 40 to 120 samples.

A block has a time that holds at one of its samples, whole seconds and a fraction, and its own rate
and scale. Samples are three values of 10 bits with a common exponent (AX3), or values of 16 bits:
the acceleration, or the gyroscope and the acceleration (AX6). A block of which the sum of its words
is not 0 is left out and counted. The samples of neighbouring blocks are spread evenly between their
times; where the next block comes later or earlier than a tenth of a block's length, the clock
jumped or the device paused. The clock is the device's own: local, and no zone is written.

Source: Open Movement, "cwa.h" (github.com/openmovementproject/openmovement, Docs/ax3).
"""

from collections.abc import Iterator
from datetime import datetime

import numpy as np

from sensor2llm.datasets.exports.samples.device import Samples
from sensor2llm.datasets.exports.samples.files import ExportFile
from sensor2llm.datasets.exports.samples.text import wall_seconds
from sensor2llm.errors import DataError
from sensor2llm.signals.ledger.ledger import Ledger

HEADER_BYTES, BATCH_BLOCKS = 1024, 2048
BLOCK = np.dtype(
    [("mark", "S2"), ("length", "<u2"), ("fraction", "<u2"), ("session", "<u4"),
     ("sequence", "<u4"), ("time", "<u4"), ("scale", "<u2"), ("temperature", "<u2"),
     ("events", "u1"), ("battery", "u1"), ("rate", "u1"), ("format", "u1"), ("offset", "<i2"),
     ("count", "<u2"), ("data", "u1", 480), ("checksum", "<u2")]
)  # fmt: skip
BROKEN = "with a wrong checksum, or without a time"
# How far from its own rate a block may be; further off, the clock jumped.
_DRIFT = 0.1
_KINDS = {0x30: "packed", 0x32: "accel", 0x62: "both"}


def read_cwa(file: ExportFile, ledger: Ledger) -> Iterator[Samples]:
    """Read a file's acceleration, and the gyroscope where there is one.

    Raises:
        DataError: If it is no .cwa, or its samples are of another kind.
    """
    held = np.empty(0, BLOCK)
    with file.open() as stream:
        header = stream.read(HEADER_BYTES)
        if len(header) < HEADER_BYTES or header[:2] != b"MD":
            raise DataError(f"{file.name} begins with {header[:4]!r}; expected a .cwa, with 'MD'")
        while raw := stream.read(BATCH_BLOCKS * BLOCK.itemsize):
            # The last block waits for the next: its samples end where that begins.
            blocks = np.concatenate([held, _sound(raw, file, ledger)])
            yield from _samples(blocks, file, more=True)
            held = blocks[-1:]
    yield from _samples(held, file, more=False)


def _sound(raw: bytes, file: ExportFile, ledger: Ledger) -> np.ndarray:
    """Give the blocks of samples that are whole; count the others."""
    cut = len(raw) % BLOCK.itemsize
    blocks = np.frombuffer(raw[: len(raw) - cut], BLOCK)
    words = np.frombuffer(raw[: len(raw) - cut], "<u2").reshape(len(blocks), -1)
    data = blocks["mark"] == b"AX"
    sums = words.sum(axis=1, dtype=np.uint32) & 0xFFFF
    sound = data & (sums == 0) & (blocks["time"] != 0) & (blocks["count"] > 0)
    ledger.read("blocks", int(data.sum()) + bool(cut))
    ledger.keep("blocks", int(sound.sum()))
    ledger.drop("blocks", int((data & ~sound).sum()) + bool(cut), BROKEN)
    return blocks[sound]


def _samples(blocks: np.ndarray, file: ExportFile, more: bool) -> Iterator[Samples]:
    """Give the samples of blocks; where `more` come, not those of the last one."""
    if not len(blocks):
        return
    rates_hz = 3200.0 / (1 << (15 - (blocks["rate"] & 15)).astype(np.int64))
    starts_s = _starts(blocks, rates_hz)
    counts = blocks["count"].astype(np.int64)
    lengths_s = counts / rates_hz
    between = np.diff(starts_s, append=np.inf)
    follows = np.abs(between / lengths_s - 1) < _DRIFT
    steps_s = np.where(follows, between, lengths_s) / counts
    parts: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for i in range(len(blocks) - more):
        kind = _KINDS.get(int(blocks["format"][i]))
        most = {"packed": 120, "accel": 80, "both": 40}.get(kind or "", 0)
        if not 0 < counts[i] <= most:
            raise DataError(
                f"{file.name}: a block has {counts[i]} samples of format "
                f"{int(blocks['format'][i]):#x}; expected an AX3's or an AX6's"
            )
        times_s = starts_s[i] + np.arange(counts[i]) * steps_s[i]
        for sensor, values in _values(blocks[i], str(kind), int(counts[i])):
            parts.setdefault(sensor, []).append((times_s, values))
    for sensor, pairs in parts.items():
        of_times, of_values = zip(*pairs, strict=True)
        values = np.concatenate(of_values, axis=1)
        yield Samples(sensor, np.concatenate(of_times), values, clock="local")


def _starts(blocks: np.ndarray, rates_hz: np.ndarray) -> np.ndarray:
    """Give the time of each block's first sample."""
    fraction, offset = blocks["fraction"], blocks["offset"].astype(np.float64)
    fine = fraction & 0x8000 > 0
    part_s = np.where(fine, (fraction & 0x7FFF) / 32768, 0.0)
    # The writer moved the offset back by the fraction's samples, for readers that know none.
    offset = offset + np.where(fine, np.floor(part_s * rates_hz), 0.0)
    whole_s = np.array([packed_seconds(int(time)) for time in blocks["time"]])
    return whole_s + part_s - offset / rates_hz


def packed_seconds(packed: int) -> float:
    """Give seconds since 1970 of a time packed into 32 bits; NaN for a date that is none."""
    year, month, day = (packed >> 26 & 63) + 2000, packed >> 22 & 15, packed >> 17 & 31
    try:
        moment = datetime(year, month, day, packed >> 12 & 31, packed >> 6 & 63, packed & 63)
    except ValueError:
        return float("nan")
    return wall_seconds(moment)


def _values(block: np.ndarray, kind: str, count: int) -> Iterator[tuple[str, np.ndarray]]:
    if kind == "packed":
        words = block["data"].view("<u4")[:count].astype(np.int64)
        axes = np.stack([words >> shift & 1023 for shift in (0, 10, 20)])
        axes = np.where(axes > 511, axes - 1024, axes) << (words >> 30)
        yield "accel", axes / (1 << (8 + (int(block["scale"]) >> 13)))
        return
    columns = 3 if kind == "accel" else 6
    numbers = block["data"].view("<i2")[: count * columns].reshape(count, columns).T
    yield "accel", numbers[-3:] / (1 << (8 + (int(block["scale"]) >> 13)))
    if kind == "both":
        range_dps = 8000 / (1 << (int(block["scale"]) >> 10 & 7))
        yield "gyro", numbers[:3] * range_dps / 32768
