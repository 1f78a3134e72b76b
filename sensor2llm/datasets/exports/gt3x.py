"""Read ActiGraph's .gt3x: a zip of `info.txt` and of `log.bin`, a record a second.

A record is a separator (1E), its type, its time (Unix seconds of the device's clock), the length of
its payload, the payload and a checksum. Of type 0 are samples of 12 bits, in the order y, x, z; of
type 26 samples of 16 bits, in the order x, y, z. All others (battery, light, steps a minute, the
wearer's data) are passed over. Counts become g by `Acceleration Scale` of info.txt, or by the kind
of the device. The device's clock is local; where info.txt names its `TimeZone`, times are UTC.

A record whose checksum is wrong is left out and counted; reading goes on at the next one. While a
device sleeps there are no records: pauses. The older format of the first GT3X+ (`activity.bin`) is
not read.

Source: ActiGraph, "GT3X File Format" (github.com/actigraph/GT3X-File-Format).
"""

import re
from collections.abc import Iterator
from typing import IO, NamedTuple
from zipfile import BadZipFile, ZipFile

import numpy as np

from sensor2llm.datasets.exports.samples.device import Samples
from sensor2llm.datasets.exports.samples.files import ExportFile
from sensor2llm.errors import DataError
from sensor2llm.signals.ledger.ledger import Ledger

SEPARATOR, HEAD_BYTES = 0x1E, 8
PACKED, PLAIN, LAST_KIND = 0, 26, 26
BATCH_RECORDS, CHUNK_BYTES = 3600, 1 << 20
BROKEN = "with a wrong checksum, or cut off"
# Counts a g where info.txt does not say: by the first letters of the serial number.
_SCALES = {"NEO": 341.0, "CLE": 341.0, "MRA": 341.0, "MOS": 256.0, "TAS": 256.0}


class Gt3xInfo(NamedTuple):
    """Hold what info.txt says that reading needs; `zone_s` is None where it names no zone."""

    rate_hz: int
    counts_per_g: float
    zone_s: float | None


def read_gt3x(file: ExportFile, ledger: Ledger) -> Iterator[Samples]:
    """Read the raw acceleration of a file.

    Raises:
        DataError: If it is no .gt3x of the documented form.
    """
    with file.open() as stream:
        try:
            with ZipFile(stream) as archive:
                info = _info(archive, file)
                with archive.open("log.bin") as log:
                    yield from _samples(log, info, ledger)
        except BadZipFile as error:
            raise DataError(f"{file.name} is no .gt3x ({error}); download it again") from error


def _info(archive: ZipFile, file: ExportFile) -> Gt3xInfo:
    names = archive.namelist()
    if "log.bin" not in names or "info.txt" not in names:
        older = "; it is of the older format, with activity.bin" * ("activity.bin" in names)
        raise DataError(f"{file.name} holds no info.txt and log.bin{older}; export it as CSV")
    text = archive.read("info.txt").decode("utf-8-sig", errors="replace")
    lines = (line.partition(":") for line in text.splitlines())
    fields = {name.strip(): value.strip() for name, _, value in lines}
    scale = fields.get("Acceleration Scale", "").replace(",", ".")
    counts_per_g = _number(scale) or _SCALES.get(fields.get("Serial Number", "")[:3], 0.0)
    rate_hz = int(_number(fields.get("Sample Rate", "")))
    if rate_hz <= 0 or counts_per_g <= 0:
        raise DataError(
            f"{file.name}: info.txt has Sample Rate {fields.get('Sample Rate')!r} and Acceleration "
            f"Scale {fields.get('Acceleration Scale')!r}; expected numbers above 0"
        )
    return Gt3xInfo(rate_hz, counts_per_g, _zone_s(fields.get("TimeZone", "")))


def _number(text: str) -> float:
    return float(text) if re.fullmatch(r"\d+(\.\d*)?", text) else 0.0


def _zone_s(text: str) -> float | None:
    zone = re.fullmatch(r"([+-]?)(\d+):(\d+):(\d+)", text)
    if not zone:
        return None
    hours, minutes, seconds = (int(part) for part in zone.groups()[1:])
    return (3600 * hours + 60 * minutes + seconds) * (-1 if zone[1] == "-" else 1)


def _samples(log: IO[bytes], info: Gt3xInfo, ledger: Ledger) -> Iterator[Samples]:
    seconds: list[int] = []
    counts: list[np.ndarray] = []
    for kind, second, payload in _records(log, ledger):
        if kind not in (PACKED, PLAIN) or len(payload) < 2:
            continue
        numbers = unpack(payload) if kind == PACKED else np.frombuffer(payload, "<i2")
        rows = numbers[: len(numbers) // 3 * 3].reshape(-1, 3)
        seconds.append(second)
        counts.append(rows[:, [1, 0, 2]] if kind == PACKED else rows)
        if len(seconds) == BATCH_RECORDS:
            yield _join(seconds, counts, info)
            seconds, counts = [], []
    if seconds:
        yield _join(seconds, counts, info)


def _join(seconds: list[int], counts: list[np.ndarray], info: Gt3xInfo) -> Samples:
    within = [np.arange(len(rows)) / info.rate_hz for rows in counts]
    times_s = np.concatenate([s + w for s, w in zip(seconds, within, strict=True)])
    values = np.concatenate(counts).T / info.counts_per_g
    if info.zone_s is None:
        return Samples("accel", times_s, values, clock="local")
    return Samples("accel", times_s - info.zone_s, values)


def unpack(payload: bytes) -> np.ndarray:
    """Give signed numbers of 12 bits each, the most significant bit first."""
    whole = (
        np.frombuffer(payload[: len(payload) // 3 * 3], np.uint8).reshape(-1, 3).astype(np.int16)
    )
    pairs = np.stack(
        [(whole[:, 0] << 4) | (whole[:, 1] >> 4), ((whole[:, 1] & 15) << 8) | whole[:, 2]], axis=1
    ).ravel()
    rest = payload[len(payload) // 3 * 3 :]
    if len(rest) == 2:
        pairs = np.r_[pairs, np.int16((rest[0] << 4) | (rest[1] >> 4))]
    return np.where(pairs > 2047, pairs - 4096, pairs)


def _records(log: IO[bytes], ledger: Ledger) -> Iterator[tuple[int, int, bytes]]:
    """Give type, time and payload of each record whose checksum is right."""
    buffer, start, lost = b"", 0, False
    while True:
        start = buffer.find(SEPARATOR, start)
        size = HEAD_BYTES + 1
        if 0 <= start <= len(buffer) - HEAD_BYTES:
            size += int.from_bytes(buffer[start + 6 : start + HEAD_BYTES], "little")
        if start < 0 or start + size > len(buffer):
            chunk = log.read(CHUNK_BYTES)
            if chunk:
                buffer, start = buffer[start:] * (start >= 0) + chunk, 0
                continue
            if start < 0 or len(buffer) - start < HEAD_BYTES:
                return
        record = buffer[start : start + size]
        if _is_whole(record, size):
            ledger.read("records")
            ledger.keep("records")
            yield record[1], int.from_bytes(record[2:6], "little"), record[HEAD_BYTES:-1]
            start, lost = start + size, False
            continue
        # Within a broken record other bytes look like separators: it is one record that is lost.
        ledger.read("records", int(not lost))
        ledger.drop("records", int(not lost), BROKEN)
        start, lost = start + 1, True


def _is_whole(record: bytes, size: int) -> bool:
    if len(record) < size or record[1] > LAST_KIND:
        return False
    return int(np.bitwise_xor.reduce(np.frombuffer(record, np.uint8))) == 0xFF
