"""Modules of version 0.1 that lie elsewhere now: their old paths work for one release, and say so.

A module that is gone is found by `MovedModules`, which `import sensor2llm` puts last on
`sys.meta_path`. Where a package has the name of an old module, `forward` is its `__getattr__`.
"""

import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from types import ModuleType
from typing import Any

_SOURCES = {
    "motion": ("capture24", "hhar", "mhealth", "motionsense", "pamap2", "uci_har", "wisdm",
               "wisdm_v1"),
    "heart": ("afdb", "cinc2017", "rr_intervals"),
    "sleep": ("dreams", "physionet2018", "sleep_edf"),
    "stress": ("wesad",),
}  # fmt: skip
_MODULES = {
    "adapter_card": "adapter.card",
    "adapter_files": "adapter.files",
    "answer_loss": "model.loss",
    "batches": "adapter.batches",
    "hub": "artefacts.hub",
    "manifest": "artefacts.manifest",
    "plots_embedding": "plots.embedding",
    "plots_store": "plots.store",
    "prompt_builder": "model.prompt_vectors",
    "prompting": "model.prompt_text",
    "signal_text": "adapter.signal_text",
    "llm.fingerprint": "llm.checks.fingerprint",
    "llm.identity": "llm.checks.identity",
    "llm.lora": "llm.tuning.lora",
    "llm.soft_prompt": "llm.tuning.soft_prompt",
    "signals.fitting": "signals.views.conversion",
    "signals.held_windows": "signals.views.in_memory",
    "signals.joined_stores": "signals.views.joined",
    "signals.leaks": "signals.splits.leaks",
    "signals.mapped_store": "signals.views.converted",
    "signals.serialise": "signals.serialisation.serialise",
    "signals.side_by_side": "signals.views.side_by_side",
    "signals.simulate": "datasets.simulation.simulate",
    "signals.sources": "datasets",
    "signals.sources.catalogue": "datasets.catalogue",
    "signals.statements": "signals.questions",
    "signals.statements.captions": "signals.questions.captions",
    "signals.statements.questions": "signals.questions.questions",
    "signals.store_writer": "signals.store.writer",
    "signals.table": "signals.tables.windows",
    "signals.table_config": "signals.tables.config",
    "tasks.archive": "archive.archive",
    "tasks.controls": "evaluation.controls",
    "tasks.evaluation": "evaluation.evaluation",
    "tasks.handmade": "evaluation.handcrafted_features",
    "tasks.missing": "evaluation.missing",
    "tasks.probe": "evaluation.probe",
    "tasks.recording_file": "signals.tables.windows",
    "tasks.serving": "serving.prompt_embeddings",
    **{f"signals.sources.{name}": f"datasets.{kind}.{name}"
       for kind, names in _SOURCES.items() for name in names},
}  # fmt: skip
MOVED = {f"sensor2llm.{old}": f"sensor2llm.{new}" for old, new in _MODULES.items()}
_RENAMED = {"MappedStore": "ConvertedView", "HeldWindows": "InMemoryWindows"}


class MovedModules(MetaPathFinder, Loader):
    """Find a module by its old path and give it the names of the one that took its place."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Give a spec where `fullname` is an old path; the file system was asked before."""
        if fullname not in MOVED:
            return None
        outer = any(old.startswith(f"{fullname}.") for old in MOVED)
        return spec_from_loader(fullname, self, origin=MOVED[fullname], is_package=outer)

    def exec_module(self, module: ModuleType) -> None:
        """Fill the module, and warn where it is imported."""
        place = import_module(MOVED[module.__name__])
        names = {k: v for k, v in vars(place).items() if not k.startswith("__")}
        vars(module).update(names)
        vars(module).update({old: names[new] for old, new in _RENAMED.items() if new in names})
        _warn(module.__name__, place.__name__)


def forward(module: str) -> Callable[[str], Any]:
    """Give the `__getattr__` of a package that has the name of a module, now `module`."""

    def look_up(name: str) -> Any:
        package = module.rpartition(".")[0]
        place = None if name.startswith("__") else import_module(module)
        if not hasattr(place, name) or place is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        _warn(f"{package}.{name}", f"{module}.{name}")
        return getattr(place, name)

    return look_up


def _warn(old: str, new: str) -> None:
    text = f"{old} is now {new}; the old path works in this release only"
    warnings.warn(text, DeprecationWarning, stacklevel=3)
