"""The progress bar of a run, on stderr."""

from collections.abc import Mapping

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


class ProgressBar:
    """Show the share of the run that is done, and the loss."""

    def __init__(self, shown: bool):
        columns = (
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.description}"),
        )
        console = Console(stderr=True)
        self.bar = Progress(*columns, console=console, disable=not shown, refresh_per_second=2)
        self.task = self.bar.add_task("", total=1.0)
        self.bar.start()

    def update(self, share: float, values: Mapping[str, float]) -> None:
        """Move to `share`, 0 to 1."""
        self.bar.update(
            self.task, completed=min(share, 1.0), description=f"loss {values['loss']:.3f}"
        )

    def close(self) -> None:
        """Leave the bar as it is."""
        self.bar.stop()
