"""The bridge from sensors to language models.

>>> import sensor2llm
>>> "classify" in dir(sensor2llm)
True
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from sensor2llm.artefacts.moved_modules import MovedModules

if TYPE_CHECKING:  # what a type checker and an editor see of the lazy names
    from sensor2llm.adapter.adapter import SensorAdapter as SensorAdapter
    from sensor2llm.archive.bouts import label_bouts as label_bouts
    from sensor2llm.archive.bouts import summarise_labels as summarise_labels
    from sensor2llm.encoders.signal_encoder import SignalEncoder as SignalEncoder
    from sensor2llm.model.model import SensorLanguageModel as SensorLanguageModel
    from sensor2llm.pipeline import SensorPipeline as SensorPipeline
    from sensor2llm.pipeline import load as load
    from sensor2llm.signals.spec import SignalSpec as SignalSpec
    from sensor2llm.signals.store.store import WindowStore as WindowStore
    from sensor2llm.signals.window import Window as Window
    from sensor2llm.tasks.classification import classify as classify
    from sensor2llm.tasks.conversation import Conversation as Conversation

_LAZY = {
    "Conversation": "sensor2llm.tasks.conversation",
    "SensorAdapter": "sensor2llm.adapter.adapter",
    "SensorLanguageModel": "sensor2llm.model.model",
    "SensorPipeline": "sensor2llm.pipeline",
    "SignalEncoder": "sensor2llm.encoders.signal_encoder",
    "SignalSpec": "sensor2llm.signals.spec",
    "Window": "sensor2llm.signals.window",
    "WindowStore": "sensor2llm.signals.store.store",
    "classify": "sensor2llm.tasks.classification",
    "label_bouts": "sensor2llm.archive.bouts",
    "load": "sensor2llm.pipeline",
    "summarise_labels": "sensor2llm.archive.bouts",
}

__all__ = sorted(_LAZY)


class _Package(ModuleType):
    """Keep a public name for what it stands for: importing a verb's module does not take it."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _LAZY and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
sys.meta_path.append(MovedModules())


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for, so that `--help` stays quick."""
    if name == "__version__":
        from importlib.metadata import version

        return version("sensor2llm")
    if name not in _LAZY:
        raise AttributeError(f"module 'sensor2llm' has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return __all__
