"""The whole training run as one dataclass: the command line, the recipe file and the defaults.

    python -m sensor2llm.train_adapter                     the defaults: a simulated data set
    python -m sensor2llm.train_adapter --config RECIPE.yaml

Torch-free, so that `--help` stays quick.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal

from sensor2llm.bridge.config import ProjectorConfig
from sensor2llm.datasets.simulation.config import SimulationConfig
from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.errors import ConfigError
from sensor2llm.llm.config import LowRankConfig, PrefixConfig, SoftPromptConfig
from sensor2llm.pretraining.config import MODALITY_DROPOUT, EncoderRecipe
from sensor2llm.signals.config import SplitConfig
from sensor2llm.training.config import LoopConfig

NEW, NONE = "new", "none"
TASKS = ("classification", "question_answering", "captioning", "regression")
CLASSIFICATION, QUESTION_ANSWERING, CAPTIONING, REGRESSION = TASKS


@dataclass(frozen=True, kw_only=True)
class TaskMix:
    """Say how one task takes part in training."""

    weight: float = 1.0
    """Share of the batches, against the other tasks' weights."""
    prompt: str | None = None
    """Prompt template; by default the recipe's, `question`, `caption` or `estimate`."""
    per_window: int = 4
    """Questions asked of a window, or captions written for it."""
    questions: tuple[str, ...] = ()
    """Templates of questions; all of them where empty."""
    conversation: bool = False
    """Ask as people do: many wordings, labels, reasons, two windows, what sensors cannot tell."""
    hide: float = 0.0
    """Share of the modalities that are taken away, so that their absence can be asked for."""
    target: str | None = None
    """What is estimated (regression): a fact's key (`heart_rate.heart_rate`), or the channel of a
    modality without an axis (`lungs.fev1`), which the encoder must not hear."""

    def __post_init__(self) -> None:
        if self.weight < 0:
            raise ConfigError(f"a task's weight must not be negative, got {self.weight:g}")
        if self.per_window < 1:
            raise ConfigError(f"per_window must be positive, got {self.per_window}")
        if not 0 <= self.hide < 1:
            raise ConfigError(f"hide must be at least 0 and below 1, got {self.hide:g}")


def only_classification() -> dict[str, TaskMix]:
    """Give the one task of an adapter that says labels."""
    return {CLASSIFICATION: TaskMix()}


def new_encoder() -> EncoderRecipe:
    """Give the settings of a new encoder: CroSSL pretraining, then a plain head's labels.

    Few people's faint movements are told apart by these settings as well as by a random forest;
    they were chosen on validation people (benchmarks.quality.few_people).
    """
    return EncoderRecipe(encoder=EncoderConfig(kind="patch_transformer", faint=True), finetune=True)


def adapter_loop() -> LoopConfig:
    """Give the settings of adapter training."""
    return LoopConfig(
        epochs=8,
        batch_size=64,
        learning_rate=2e-3,
        weight_decay=1e-2,
        warmup_share=0.05,
        patience=3,
        ema_decay=0.99,
        min_steps=96,
    )


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A whole run: data, encoder, language model, bridge, prompt, training."""

    data: Path | None = None
    """Window store to train on. `prepare` makes one; without it, recordings are simulated."""
    simulation: SimulationConfig = field(default_factory=SimulationConfig)
    """What is simulated where no data is given."""
    split: SplitConfig = field(default_factory=SplitConfig)
    """Who trains, validates and tests."""
    label_fraction: float = 1.0
    """Share of each training person's labels that is used. It is the same in every class."""
    shots: int | None = None
    """Labelled windows a class of all training people (few-shot). All where unset."""
    start_from: str | None = None
    """An adapter (folder, released name or hub name) whose encoder, bridge and learned prompt this
    one starts from. The labels are the data's."""
    encoder: str = NEW
    """An encoder's folder or name, a kind, new or none. Released names and hub names, several
    joined by + (each hears its own data set's sensors); mantis and chronos2 are taken as others
    made them; `new` and other kinds (inception) are made in this run; `none` gives the LLM text."""
    new_encoder: EncoderRecipe = field(default_factory=new_encoder)
    """How a new encoder is made; its split is the recipe's."""
    train_encoder: bool = False
    """Train the encoder together with the bridge. Its features are then not kept."""
    llm: str = "bundled"
    """The frozen LLM: `bundled`, a hub name or a folder."""
    llm_dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Number format of the language model's weights."""
    llm_quantization: Literal["8bit", "4bit"] | None = None
    """Load the language model in 8 or 4 bit (bitsandbytes)."""
    llm_checkpointing: bool = False
    """Recompute the language model's layers in the backward pass: less memory, more time."""
    llm_compile: bool = False
    """Compile the language model's layers for training (torch.compile): the first steps take longer
    and the others less, which pays in long runs. The adapter is the same, but for rounding."""
    llm_device_map: Literal["auto"] | None = None
    """`auto` spreads the language model over all GPUs, the CPU's memory and the disk (accelerate):
    for one that no GPU holds. Its layers run one after the other; that is not faster."""
    llm_random_weights: bool = False
    """A control: the same architecture with random weights."""
    projector: ProjectorConfig = field(default_factory=ProjectorConfig)
    """The bridge from encoder steps to signal tokens."""
    soft_prompt: SoftPromptConfig = field(default_factory=SoftPromptConfig)
    """The learned prompt."""
    prefix: PrefixConfig = field(default_factory=PrefixConfig)
    """Learned keys and values of every layer (prefix tuning)."""
    lora: LowRankConfig = field(default_factory=LowRankConfig)
    """Low-rank changes of the language model's own maps; with them it is not frozen."""
    prompt: str = "activity"
    """Prompt template: a name under prompts/ or a YAML file."""
    tasks: dict[str, TaskMix] = field(default_factory=only_classification)
    """What is trained, mixed by weights: classification, question_answering, captioning,
    regression."""
    align_epochs: int = 0
    """First so many epochs on captions with the projector alone, then the tasks (two stages)."""
    modality_dropout: float = MODALITY_DROPOUT
    """Share of a window's modalities that training takes away, so that a sensor may be missing in
    use. One always stays; questions and captions have `hide` of their task."""
    objective: Literal["answer", "labels", "both"] = "both"
    """Loss: the answer's tokens, all labels' scores, or both. The answer is what the LLM
    writes; scores stand against each other (alone: less what each label scores before training)."""
    loop: LoopConfig = field(default_factory=adapter_loop)
    """How the bridge is trained."""
    license: str | None = None
    """Licence of the adapter's weights and a new encoder's, as the hub calls it (apache-2.0). The
    data's own has to be kept in any case."""
    out: Path = Path("runs/adapter")
    """The adapter's folder. Checkpoints and logs go to OUT-run beside it."""

    def __post_init__(self) -> None:
        if not 0 < self.label_fraction <= 1:
            raise ConfigError(f"label_fraction must lie in (0, 1], got {self.label_fraction}")
        if self.train_encoder and self.encoder == NONE:
            raise ConfigError("train_encoder needs an encoder; encoder is none")
        self._check_tasks()

    def _check_tasks(self) -> None:
        for task in self.tasks:
            if task not in TASKS:
                raise ConfigError(f"unknown task {task!r}; choose from {', '.join(TASKS)}")
        if not any(mix.weight for mix in self.tasks.values()):
            raise ConfigError("no task has a weight above 0; give one")
        if self.objective == "labels" and not self.classifies:
            raise ConfigError(
                "objective labels compares what labels score; without the task classification "
                "choose --objective answer"
            )
        estimate = self.tasks.get(REGRESSION)
        if estimate and estimate.weight and estimate.target is None:
            raise ConfigError("the task regression needs a target: a fact's key, or label")
        if self.shots is not None and self.shots < 1:
            raise ConfigError(f"shots must be positive, got {self.shots}")
        if not 0 <= self.modality_dropout < 1:
            raise ConfigError(
                f"modality_dropout must be at least 0 and below 1, got {self.modality_dropout:g}"
            )
        if self.align_epochs < 0:
            raise ConfigError(f"align_epochs must not be negative, got {self.align_epochs}")
        inside = self.lora.rank or self.prefix.tokens or self.projector.kind == "cross_attention"
        if self.llm_device_map and inside:
            raise ConfigError(
                "llm_device_map spreads the LLM's layers over devices, and lora, prefix and the "
                "projector cross_attention reach into them; leave one of both out"
            )
        self._check_compile()
        if self.encoder == NONE and set(self.tasks) != {CLASSIFICATION}:
            raise ConfigError("tasks other than classification need an encoder; encoder is none")

    def _check_compile(self) -> None:
        others = {"llm_checkpointing": self.llm_checkpointing, "lora": self.lora.rank,
                  "llm_quantization": self.llm_quantization,
                  "llm_device_map": self.llm_device_map}  # fmt: skip
        if self.llm_compile and any(others.values()):
            names = ", ".join(name for name, value in others.items() if value)
            raise ConfigError(
                f"llm_compile takes the language model's layers as they are, and {names} changes "
                "them; leave one of both out"
            )

    @property
    def classifies(self) -> bool:
        """Say whether labels are taught."""
        return CLASSIFICATION in self.tasks and self.tasks[CLASSIFICATION].weight > 0

    @property
    def run(self) -> Path:
        """Give the folder of checkpoints, logs and kept features."""
        return self.out.with_name(f"{self.out.name}-run")


def to_plain(recipe: Recipe) -> dict[str, object]:
    """Give the recipe as plain values, every setting, as it is stored with the adapter."""
    return {key: to_plain_value(value) for key, value in asdict(recipe).items()}


def to_plain_value(value: object) -> object:
    """Give a setting as YAML and JSON write it: paths as texts, tuples as lists."""
    if isinstance(value, dict):
        return {key: to_plain_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain_value(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def changes_of(recipe: Recipe) -> dict[str, Any]:
    """Give what differs from the defaults, as plain values: 5 to 15 lines instead of 150.

    A recipe file that holds these and nothing else is read as the same recipe.
    """
    return _changes(recipe, Recipe())


def _changes(settings: Any, defaults: Any) -> dict[str, Any]:
    pairs = {
        field.name: (getattr(settings, field.name), getattr(defaults, field.name))
        for field in fields(settings)
    }
    return {name: _change(*pair) for name, pair in pairs.items() if pair[0] != pair[1]}


def _change(value: Any, default: Any) -> Any:
    if is_dataclass(value):
        return _changes(value, default)
    if isinstance(value, Mapping):  # tasks: they take the place of the default ones as a whole
        return {name: _task(mix) for name, mix in value.items()}
    return to_plain_value(value)


def _task(mix: TaskMix) -> dict[str, Any]:
    return _changes(mix, TaskMix()) or {"weight": mix.weight}  # an empty mapping is no task's
