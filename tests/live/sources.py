"""Sources and feeds of these tests."""

import threading
import time

import numpy as np
import pylsl

from sensor2llm.live.feed import DueWindow
from sensor2llm.live.sources.source import NOTHING
from sensor2llm.signals.ledger.ledger import Ledger


class ListSource:
    """Give chunks that were made before; None of them says that nothing came."""

    def __init__(self, *chunks, columns=("accel.x", "accel.y", "accel.z"), units=None):
        self.name, self.columns, self.units = "device", columns, units or {}
        self.chunks = list(chunks)

    def read(self, wait_s):
        if not self.chunks:
            return None
        chunk = self.chunks.pop(0)
        return NOTHING if chunk is None else chunk

    def close(self):
        self.chunks = []


class ListFeed:
    """Give windows that were cut before: a list of (window, due_s) a look."""

    step_s, heard_s = 2.0, 0.0

    def __init__(self, *looks):
        self.name, self.ledger, self.losses = "device", Ledger(), {}
        self.looks = list(looks)

    def poll(self, wait_s):
        if not self.looks:
            return None
        return [DueWindow(window, due_s, due_s) for window, due_s in self.looks.pop(0)]

    def recent(self):
        return {}

    def close(self):
        self.looks = []


class Clock:
    """A clock that goes on only where it is told to."""

    now_s = 0.0

    def __call__(self):
        return self.now_s


class Device:
    """A stream of Lab Streaming Layer on this machine, which sends as soon as somebody listens."""

    def __init__(self, columns, rate_hz, *, start_s=None, units=(), kind="float32"):
        self.closed = False
        labels = [column for column in columns if column != "time_s"]
        self.columns, self.name = columns, f"device-{time.time_ns()}"
        self.start_s = start_s
        info = pylsl.StreamInfo(self.name, "IMU", len(labels), rate_hz, kind, self.name)
        info.set_channel_labels(labels)
        if units:
            info.set_channel_units(list(units))
        self.outlet = pylsl.StreamOutlet(info)
        self.thread = threading.Thread(target=self._send, daemon=True)
        self.thread.start()

    def _send(self):
        while not self.outlet.wait_for_consumers(0.02):
            if self.closed:
                return
        start_s = pylsl.local_clock() if self.start_s is None else self.start_s
        times = self.columns["time_s"]
        rows = np.stack([v for name, v in self.columns.items() if name != "time_s"], axis=1)
        self.outlet.push_chunk(rows.tolist(), (start_s + times - times[0]).tolist())

    def close(self):
        self.closed = True
        self.thread.join()
        del self.outlet
