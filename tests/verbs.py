"""Folders and files that verbs are run on."""

import numpy as np
import pyarrow as pa
from pyarrow import csv

from sensor2llm.signals.store.store import WindowStore
from tests.llm.tiny import tiny_folder
from tests.models import LABELS, small_adapter, tiny_llm
from tests.signals.stores import SPEC, make_windows


def save_adapter(folder):
    """Save a small adapter; its LLM is the folder `llm_folder()`."""
    return small_adapter(tiny_llm()).save(folder)


def llm_folder() -> str:
    return str(tiny_folder("llama"))


def save_store(folder):
    WindowStore.write(folder, SPEC, make_windows(labels=LABELS), source="made up")
    return folder


def save_recording(path, seconds=7.0):
    """Write accelerations at the spec's 8 Hz: three windows of 2 s."""
    time = np.arange(round(8 * seconds)) / 8
    columns = {"time_s": time} | {f"accel.{c}": np.sin(time + i) for i, c in enumerate("xyz")}
    csv.write_csv(pa.table(columns), path)
    return path
