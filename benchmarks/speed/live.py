"""Measure what listening costs: how soon an answer comes, and whether memory grows in a day.

    python -m benchmarks.speed.live --out benchmarks/results/live.json

- `answers`: another process sends accelerations and turn rates (6 channels, 50 Hz) as a stream of
  Lab Streaming Layer in real time; `uci-har-bundled` answers each window on one thread. An answer's
  time counts from the stamp of its window's last sample; beside it stands the time of one forward,
  timed in turn with the listening. Wall time counts what else the machine does, so CPU time stands
  beside it: from when the last sample was read to the answer, and of listening as a whole.
- `day`: a day of 6 channels at 20 Hz is listened to as fast as it is answered, by a small adapter
  on an LLM of random weights, with a pause every hour and a sensor that goes and comes back;
  `played` is the same day as a Parquet file. Memory is the process's resident size after each hour.

Parts that are not measured again stay in the file as they are.
"""

import argparse
import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import torch
from pyarrow import parquet

from benchmarks.machine import record, write
from benchmarks.speed.adapter_speed import build_model
from benchmarks.speed.random_llm import load_llm
from sensor2llm.datasets.simulation.phone import simulate_columns
from sensor2llm.live.feed import WindowFeed
from sensor2llm.live.listener import Listener, LiveAnswer
from sensor2llm.live.run import warm_up
from sensor2llm.live.source_feed import SourceFeed
from sensor2llm.live.sources.lsl import LslSource
from sensor2llm.live.sources.playback import PlaybackFeed
from sensor2llm.live.sources.source import LiveSamples
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.signals.spec import Channel, Modality, SignalSpec
from sensor2llm.tasks.classification import classify
from sensor2llm.tasks.loading import load_model

STREAM, RATE_HZ = "sensor2llm-live", 50.0
HOUR_S, DAY_RATE_HZ, DAY_STEPS, LOOK_S = 3600, 20.0, 600, 2


def main() -> None:
    options = _options()
    torch.set_num_threads(1)
    known = options.out is not None and options.out.is_file()
    result = json.loads(options.out.read_text(encoding="utf-8")) if known else {}
    for part in options.parts:
        started = os.getloadavg()
        if part == "answers":
            figures = measure_answers(options.seconds, options.step_s)
        else:
            figures = measure_memory(FEEDS[part], options.hours)
        result[part] = record("speed.live", figures, started)
        write(result, options.out)


class Answers:
    """Note each answer's time since its window's last sample, and the process's CPU time."""

    def __init__(self, each: Callable[[LiveAnswer], None]) -> None:
        self._each = each

    def show(self, answer: LiveAnswer) -> None:
        """Note an answer."""
        self._each(answer)

    def tick(self) -> None:
        """Do nothing."""


def send(seconds: float, name: str) -> None:
    """Send six channels in real time."""
    import pylsl

    recording = simulate_columns("walking", "sitting", bout_s=20)
    names = [n for n in recording if n.startswith(("total_acc", "body_gyro"))]
    rows = np.stack([recording[n] for n in names], axis=1)
    info = pylsl.StreamInfo(name, "IMU", len(names), RATE_HZ, "float32", name)
    info.set_channel_labels(names)
    outlet = pylsl.StreamOutlet(info)
    outlet.wait_for_consumers(120)
    start_s = pylsl.local_clock()
    for i in range(round(seconds * RATE_HZ)):
        time.sleep(max(0.0, start_s + i / RATE_HZ - pylsl.local_clock()))
        outlet.push_sample(rows[i % len(rows)].tolist(), start_s + i / RATE_HZ)
    time.sleep(2)


class TimedSource:
    """Note the process's CPU time whenever a source gave something."""

    def __init__(self, source: LslSource) -> None:
        self.source, self.read_at_s = source, 0.0
        self.name, self.columns, self.units = source.name, source.columns, source.units
        self.close = source.close

    def read(self, wait_s: float) -> LiveSamples | None:
        """Read."""
        samples = self.source.read(wait_s)
        self.read_at_s = time.process_time()
        return samples


def measure_answers(seconds: float, step_s: float | None) -> dict[str, Any]:
    """Listen to a stream on the bundled model for some seconds."""
    model = load_model("uci-har-bundled", device="cpu", dtype="float32")
    warm_up(model)
    name = f"{STREAM}-{os.getpid()}"
    device = multiprocessing.get_context("spawn").Process(target=send, args=(seconds + 5, name))
    device.start()
    spec = model.adapter.spec
    source = TimedSource(_find(name))
    feed = SourceFeed(source, spec, step_s=step_s)
    late: list[float] = []
    forwards: list[float] = []
    cpu: list[float] = []
    cpu_answers: list[float] = []

    def note(answer: LiveAnswer) -> None:
        last_s = answer.window.start_s + (spec.window_s or 0.0) - 1 / RATE_HZ
        late.append(time.time() - last_s)
        cpu_answers.append(time.process_time() - source.read_at_s)
        begun, used = time.perf_counter(), time.process_time()
        classify(model, [answer.window])
        forwards.append(time.perf_counter() - begun)
        cpu.append(time.process_time() - used)

    listener = Listener(model, feed, stop_after_s=seconds)
    before = time.process_time()
    for _ in listener.windows(Answers(note)):
        pass
    busy_s = time.process_time() - before - sum(cpu)
    device.terminate()
    after = sorted(a - b for a, b in zip(late, forwards, strict=True))
    return {
        "adapter": "uci-har-bundled", "channels": 6, "rate_hz": RATE_HZ,
        "step_s": feed.step_s,
        "seconds": seconds, "answers": len(late), "skipped": listener.totals.skipped,
        "gaps": listener.totals.gaps,
        "answer_s": _spread(late), "forward_s": _spread(forwards),
        "beyond_forward_s": _spread(after),
        "cpu_answer_s": _spread(cpu_answers), "cpu_forward_s": _spread(cpu),
        "cpu_share": busy_s / seconds,
    }  # fmt: skip


def _find(name: str) -> LslSource:
    """Wait until the other process sends."""
    import pylsl

    pylsl.resolve_byprop("name", name, 1, 120)
    return LslSource(name)


def _spread(values: list[float]) -> dict[str, float]:
    low, middle, high = np.quantile(values, (0.05, 0.5, 0.95)).tolist()
    return {"median": middle, "p05": low, "p95": high}


def day_spec() -> SignalSpec:
    """Describe a watch: 30 s of accelerations and turn rates at 20 Hz."""
    return SignalSpec(modalities=tuple(
        Modality(name=name, channels=tuple(Channel(name=f"{name}_{c}", unit=unit) for c in "xyz"),
                 steps=DAY_STEPS, rate_hz=DAY_RATE_HZ)
        for name, unit in (("accel", "g"), ("gyro", "rad/s"))
    ))  # fmt: skip


def seconds_of(hours: float) -> Iterator[LiveSamples]:
    """Give a day two seconds a look: a pause of 5 minutes an hour, 10 without turn rates."""
    rng, count = np.random.default_rng(0), round(DAY_RATE_HZ * LOOK_S)
    names = [f"{m.name}.{c}" for m in day_spec().modalities for c in m.channel_names]
    for second in range(0, round(hours * HOUR_S), LOOK_S):
        minute = second % HOUR_S // 60
        if 30 <= minute < 35:
            continue
        table = rng.normal(0, 0.2, (6, count)) + np.array([1, 0, 0, 0, 0, 0])[:, None]
        if 40 <= minute < 50:
            table[3:] = np.nan
        yield LiveSamples(
            dict(zip(names, table, strict=True)), second + np.arange(count) / DAY_RATE_HZ
        )


class DaySource:
    """Give the seconds of a day, one a look."""

    name = "a day"

    def __init__(self, hours: float) -> None:
        names = (f"{m.name}.{c}" for m in day_spec().modalities for c in m.channel_names)
        self.columns, self.units = tuple(names), dict[str, str]()
        self._seconds = seconds_of(hours)

    def read(self, wait_s: float) -> LiveSamples | None:
        """Give the next second."""
        return next(self._seconds, None)

    def close(self) -> None:
        """Do nothing."""


def day_feed(hours: float, folder: Path) -> WindowFeed:
    """Listen to the day."""
    return SourceFeed(DaySource(hours), day_spec())


def played_feed(hours: float, folder: Path) -> WindowFeed:
    """Write the day as a file, an hour at a time, and play it."""
    path, writer = folder / "day.parquet", None
    for hour in range(round(hours)):
        seconds = [s for s in seconds_of(1) if s.times_s is not None]
        columns = {"time_s": np.concatenate([s.times_s for s in seconds]) + hour * HOUR_S}
        columns |= {n: np.concatenate([s.values[n] for s in seconds]) for n in seconds[0].values}
        table = pa.table(columns)
        writer = writer or parquet.ParquetWriter(path, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()
    return PlaybackFeed(path, day_spec(), speed=float("inf"))


FEEDS = {"day": day_feed, "played": played_feed}


def small_model() -> SensorLanguageModel:
    """Build an adapter for the watch on an LLM of random weights."""
    return build_model(load_llm(None, "auto", hidden=64), spec=day_spec()).eval()


def measure_memory(make: Callable[[float, Path], WindowFeed], hours: float) -> dict[str, Any]:
    """Note the process's resident size after each hour of the signal."""
    model, process = small_model(), psutil.Process()
    warm_up(model)
    sizes: list[float] = []
    held: list[int] = []

    def note(answer: LiveAnswer) -> None:
        window_s = DAY_STEPS / DAY_RATE_HZ
        if answer.window.start_s + 2 * window_s >= HOUR_S * (len(sizes) + 1):
            sizes.append(process.memory_info().rss / 2**20)

    begun, used = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        feed = make(hours, Path(folder))
        listener = Listener(model, feed)
        for _ in listener.windows(Answers(note)):
            if isinstance(feed, SourceFeed):
                held.append(len(feed.cutter.buffers["accel"]))
    totals = listener.totals
    return {
        "hours": hours, "answers": totals.answers, "skipped": totals.skipped, "gaps": totals.gaps,
        "mib_each_hour": [round(size, 1) for size in sizes],
        "growth": max(sizes[1:]) / sizes[0] - 1, "most_samples_held": max(held, default=None),
        "seconds": time.perf_counter() - begun, "cpu_seconds": time.process_time() - used,
    }  # fmt: skip


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=120.0, help="of the stream")
    parser.add_argument("--step-s", type=float, help="between answers; a window's length")
    parser.add_argument("--hours", type=float, default=24.0, help="of the accelerated day")
    kinds = ["answers", *FEEDS]
    parser.add_argument("--parts", nargs="+", default=kinds, choices=kinds)
    parser.add_argument("--out", type=Path, help="JSON file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
