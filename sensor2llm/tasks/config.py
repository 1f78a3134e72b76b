"""What can be chosen when something is measured; torch-free, so that `--help` stays quick."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from sensor2llm.errors import ConfigError

By = Literal["score", "text"]
Part = Literal["test", "validation", "train", "all"]
Task = Literal["classification", "question_answering", "captioning", "regression"]
TASKS: tuple[Task, ...] = get_args(Task)


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """Choose what is measured, on whom, and where the results go."""

    adapter: str
    """Folder, released name or hub name of an adapter or of an encoder."""
    data: Path
    """The window store."""
    split: Part = "test"
    """Whose windows; all are everybody's, of data on which nobody was trained."""
    by: By = "score"
    """Score every label, or read the LLM's free answer."""
    task: Task = "classification"
    """What is asked; all but classification have controls of their own."""
    controls: bool = False
    """Also measure every control."""
    missing: bool = False
    """Also measure without every subset of the modalities."""
    control_windows: int | None = None
    """Controls and missing modalities on so many windows at most, spread evenly; unset: on all."""
    calibrate: Sequence[Path] | None = None
    """First add to the adapter what its training windows look like and how sure its labels are: by
    validation people, or by these files of fold adapters' predictions of people they never saw."""
    finetuned: bool = False
    """Of an encoder: also fine-tune a copy of it with a plain head."""
    out: Path | None = None
    """Folder of the results; the adapter's own for the test people."""
    batch_size: int = 64
    """Windows at a time."""
    seed: int = 0
    """Seed of the bootstrap and of the controls' draws."""
    llm: str | None = None
    """Another place where the adapter's LLM lies."""
    llm_accept: bool = False
    """Go on with another LLM that labels the adapter's check windows alike."""

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ConfigError(f"batch_size must be positive, got {self.batch_size}")
        if self.control_windows is not None and self.control_windows < 1:
            raise ConfigError(f"control_windows must be positive, got {self.control_windows}")
        if self.calibrate is not None and (self.task != "classification" or self.by == "text"):
            raise ConfigError("--calibrate is for scored labels; leave --task and --by out")
        if self.split == "all" and (self.controls or self.task != "classification"):
            raise ConfigError(
                "--split all judges labels where nobody was trained on; --controls and --task "
                "compare with training people: leave them out"
            )
