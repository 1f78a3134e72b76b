"""One window as the adapter hears it: its numbers, and the facts computed from them."""

import asyncio
from typing import Any

from pydantic import BaseModel, ConfigDict

from sensor2llm.serving.heard_signals import describe_window
from sensor2llm.serving.http.host import ModelHost
from sensor2llm.serving.http.sensor_part import RecordingWindows, SensorPart, read_part


class WindowRequest(BaseModel):
    """Say which window is to be shown, and which adapter hears it."""

    model_config = ConfigDict(extra="forbid")

    model: str | None = None
    sensor: SensorPart


async def show_window(host: ModelHost, wanted: WindowRequest, most: int) -> dict[str, Any]:
    """Give a window's numbers in the adapter's units, and what was measured.

    Raises:
        UserError: the window cannot be read.
    """

    def show() -> tuple[RecordingWindows, dict[str, Any]]:
        read = read_part(wanted.sensor, host.served.spec, host.shelf, most)
        return read, describe_window(read.windows[0], host.served.spec)

    read, window = await asyncio.to_thread(show)
    about = {"object": "window", "model": host.served.name, "name": read.name}
    return {**about, **window, "notes": read.notes}
