"""Progress bars on stderr: of a run, and of things that are done one after the other."""

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


def counting_bar() -> Progress:
    """Give a bar that says how many of how many are done; nothing where nobody looks."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=console, transient=True, disable=not console.is_terminal,
    )  # fmt: skip


class ProgressBar:
    """Show the share of the work that is done, and a word on it."""

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

    def update(self, share: float, description: str) -> None:
        """Move to `share`, 0 to 1."""
        self.bar.update(self.task, completed=min(share, 1.0), description=description)

    def close(self) -> None:
        """Leave the bar as it is."""
        self.bar.stop()
