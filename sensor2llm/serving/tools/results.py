"""What the tools give back, field by field, as assistants are told of it."""

from typing import Annotated

from pydantic import BaseModel, Field

Probability = Annotated[float, Field(ge=0, le=1)]


class SensorSummary(BaseModel):
    """Describe one sensor that an adapter hears."""

    name: str
    channels: list[str]
    units: list[str]
    rate_hz: Annotated[float | None, Field(description="samples a second; null for events, rows")]
    steps: Annotated[int, Field(description="samples of one window")]
    axis: str


class AdapterSummary(BaseModel):
    """Describe one adapter: what it hears and says, and how often it was right."""

    name: str
    llm: Annotated[str, Field(description="the language model that it was trained for")]
    labels: list[str]
    sensors: list[SensorSummary]
    window: Annotated[str, Field(description="how long a window is")]
    measured: str
    limits: str


class AdapterFit(BaseModel):
    """Say whether an adapter hears a file."""

    adapter: str
    windows: Annotated[int, Field(description="whole windows in the file; 0 if it is not heard")]
    missing: Annotated[list[str], Field(description="sensors of the adapter that the file lacks")]
    why: Annotated[str, Field(description="why it is not heard; empty if it is")]
    notes: Annotated[list[str], Field(description="what was converted, left out or assumed")]


class FileSummary(BaseModel):
    """Describe a file and which adapters hear it."""

    file: str
    size_bytes: int
    columns: Annotated[list[str], Field(description="empty for what is no table")]
    adapters: list[AdapterFit]


class WindowLabel(BaseModel):
    """Hold what the adapter says of one window."""

    number: Annotated[int, Field(description="of the window in the file, from 1")]
    start_s: float
    label: Annotated[str, Field(description="`unknown` where the answer would be too unsure")]
    probability: Annotated[Probability, Field(description="of the likeliest label")]
    unlike: Annotated[str, Field(description="what is not as in training; empty for nothing")]


class RecordingLabels(BaseModel):
    """Hold the labels of a recording's windows, and how much can be made of them."""

    adapter: str
    windows: int
    counts: Annotated[dict[str, int], Field(description="windows of each label, or `unknown`")]
    unlike: Annotated[int, Field(description="windows unlike training, whose labels mean little")]
    mean_probability: Probability
    labels: Annotated[list[WindowLabel], Field(description="the first windows")]
    left_off: Annotated[int, Field(description="windows that `labels` does not list")]
    notes: list[str]
    measured: str
    limits: str


class FileLabels(RecordingLabels):
    """Hold the labels of a file."""

    file: str


class StreamLabels(RecordingLabels):
    """Hold the labels of the newest windows of a live stream."""

    source: str
    age_s: Annotated[float, Field(description="seconds since the newest window came")]


class WindowAnswer(BaseModel):
    """Hold an answer about one window, how sure it is, and where it comes from."""

    adapter: str
    file: str
    number: int
    answer: str
    kind: Annotated[str, Field(description="of the question")]
    source: Annotated[
        str, Field(description="scores: the adapter's; llm: the plain LLM's words; rules: fixed")
    ]
    probability: Annotated[float | None, Field(description="of what is said, where it was scored")]
    probabilities: dict[str, float]
    from_signal: Annotated[str, Field(description="the same fact computed from the signal; or ''")]
    label: WindowLabel | None
    notes: list[str]
    measured: str
    limits: str
