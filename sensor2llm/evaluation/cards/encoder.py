"""The card of an encoder that was measured: README.md, from its manifest and its metrics.

write_encoder_card("runs/my-encoder")    after `evaluate runs/my-encoder --data STORE`
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sensor2llm.adapter.card import (
    between_text,
    bullets,
    code,
    data_lines,
    people_text,
    signals_table,
    table,
    window_text,
)
from sensor2llm.artefacts.manifest import first_line
from sensor2llm.encoders.files import CARD, read_manifest
from sensor2llm.errors import ArtefactError
from sensor2llm.training.record import write_bytes

CROSSL = "crossl"
OBJECTIVES = {
    CROSSL: "CroSSL",
    "cocoa": "COCOA (Deldari et al., IMWUT 2022, arXiv:2208.00467)",
    "simclr": "SimCLR (Chen et al., ICML 2020, arXiv:2002.05709)",
    "masked_autoencoder": "a masked autoencoder (Fang et al. 2024, arXiv:2410.16424)",
    "multimodal_nce": "multimodal NCE (VATT, Akbari et al., NeurIPS 2021, arXiv:2104.11178)",
}
PROBES = {
    "linear": "linear (logistic regression)",
    "mlp": "MLP",
    "finetuned": "plain head, a copy of the encoder trained with it",
    "knn": "k nearest neighbours",
}
WRITTEN_DOWN = ("tracker", "log_every", "checkpoint_every_s", "validate_every")
"""Options of a loop that say what it writes and when, not what it learns."""
LIMITS = (
    "Not a medical device: nothing here diagnoses, and no answer replaces an examination.",
    "It hears windows of exactly these modalities, units and rates; convert others first.",
    "People, devices and places on the body that differ from the training data lower its scores.",
    "An embedding may tell who wears the sensor (see the person probe): it is personal data.",
)
BIBTEX = """```bibtex
@inproceedings{deldari2024crossl,
  title = {CroSSL: Cross-modal Self-Supervised Learning for Time-series through Latent Masking},
  author = {Deldari, Shohreh and Spathis, Dimitris and Malekzadeh, Mohammad and Kawsar, Fahim and
            Salim, Flora and Mathur, Akhil},
  booktitle = {Proceedings of the ACM International Conference on Web Search and Data Mining},
  year = {2024},
  note = {arXiv:2307.16847}
}
```"""
PYTHON = """```python
from sensor2llm import SignalEncoder

encoder = SignalEncoder.from_pretrained("{name}")
embeddings = encoder(batch).pooled  # (window, {modalities} modalities, {width} features)
```

The name is a released one, a folder, or OWNER/NAME on the hub. `batch` is of normalised windows:

```python
from sensor2llm import WindowStore
from sensor2llm.encoders.signal_encoder import read_manifest
from sensor2llm.signals.dataset import WindowDataset
from sensor2llm.signals.normalise import Normaliser

normaliser = Normaliser.from_dict(read_manifest("{name}")["normaliser"])
batch = WindowDataset(WindowStore.open("STORE"), [0, 1, 2], normaliser).batch([0, 1, 2])
```"""


def write_encoder_card(
    folder: str | Path, *, title: str | None = None, part: Path | None = None
) -> Path:
    """Write `README.md` into an encoder's folder from its manifest and `metrics.json`.

    Args:
        folder: an encoder that `evaluate` has been run on.
        title: the first line; the folder's name by default.
        part: new files that will go into the folder together; the card goes with them.

    Raises:
        ArtefactError: manifest or metrics are missing, broken, or of other weights.
    """
    folder = Path(folder)
    new = part or folder
    fresh = (new / "metrics.json").is_file()
    manifest, metrics = read_manifest(folder), _metrics(new if fresh else folder)
    if metrics["encoder"] != manifest["fingerprint"]:
        raise ArtefactError(
            f"{folder / 'metrics.json'} was measured on other weights than those in '{folder}'; "
            f"run `python -m sensor2llm.evaluate {folder} --data STORE` again"
        )
    text = encoder_card_text(manifest, metrics, folder.resolve().name, title=title)
    write_bytes(new / CARD, text.encode("utf-8"))
    return new / CARD


def encoder_card_text(
    manifest: Mapping[str, Any],
    metrics: Mapping[str, Any],
    name: str,
    *,
    title: str | None = None,
) -> str:
    """Return the text of a card.

    Args:
        manifest: the encoder's `sensor2llm.json`.
        metrics: `metrics.json`, what `evaluate` wrote.
        name: by which it is loaded.
        title: the first line; the name by default.
    """
    recipe = manifest.get("recipe") or {}
    commands = (
        f"python -m sensor2llm.evaluate {name} --data STORE",
        f"python -m sensor2llm.train_adapter --data STORE --encoder {name}",
    )
    config, modalities = manifest["encoder"], manifest["spec"]["modalities"]
    python = PYTHON.format(name=name, modalities=len(modalities), width=config["width"])
    sections = [
        front_matter(manifest, recipe),
        f"# {title or name}",
        f"Turns windows of {window_text(manifest['spec'])} into embeddings: {config['width']} "
        f"features of each modality (kind `{config['kind']}`), and a joint embedding of "
        f"{config['aggregator_width']} numbers.",
        "## Use\n\n" + python + "\n\n" + code(*commands),
        "## Signals\n\n" + signals_table(manifest["spec"]),
        "## Data\n\n" + bullets(_data(manifest, metrics)),
        "## How it was made\n\n" + bullets(list(_made(manifest, recipe))),
        "## Results\n\n" + _results(metrics),
        *(["## Person probe\n\n" + told] if (told := _people(metrics)) else []),
        *(["## Modalities in the joint embedding\n\n" + told] if (told := _units(metrics)) else []),
        "## Limits\n\n" + bullets(LIMITS),
        "## Citation\n\n" + BIBTEX,
    ]
    return "\n\n".join(sections) + "\n"


def front_matter(manifest: Mapping[str, Any], recipe: Mapping[str, Any]) -> str:
    """Write what the hub reads from the top of a card; the licence is the manifest's own."""
    stated = manifest.get("license")
    licence = [f"license: {stated}"] if stated else ["license: other", "license_name: not-stated"]
    tags = ["sensors", "time-series", "signal-encoder"]
    if recipe.get("pretrain"):
        tags += ["self-supervised-learning", _objective(recipe).replace("_", "-")]
    lines = ["library_name: sensor2llm", *licence, "pipeline_tag: feature-extraction"]
    return "\n".join(["---", *lines, f"tags: [{', '.join(tags)}]", "---"])


def _data(manifest: Mapping[str, Any], metrics: Mapping[str, Any]) -> list[str]:
    licence = manifest.get("license") or "not stated; the data's has to be kept in any case"
    lines = [*data_lines(metrics.get("data", {})), f"Licence of the encoder's weights: {licence}"]
    labels = ", ".join(f"`{label}`" for label in manifest.get("label_names", ()))
    return [*lines, f"Labels: {labels}"] if labels else lines


def _made(manifest: Mapping[str, Any], recipe: Mapping[str, Any]) -> Iterator[str]:
    """Yield how the weights came about, as far as the recipe tells."""
    taught = len(recipe.get("people", {}).get("train", ()))
    if recipe.get("pretrain"):
        objective = _objective(recipe)
        told = f"Pretrained without labels by {OBJECTIVES.get(objective, objective)}"
        yield f"{told} on {people_text(taught)}: {_options(recipe.get(objective, {}))}"
        yield from _stage(recipe, "pretrain")
    if recipe.get("finetune"):
        told = "Fine-tuned" if recipe.get("pretrain") else "Trained from random weights"
        everyone = ", the validation people among them" if recipe.get("everyone") else ""
        taught += len(recipe["people"]["validation"]) if everyone else 0
        head = f"{told} with a plain head on the labels of {people_text(taught)}{everyone}"
        yield f"{head}: {_options(recipe.get('supervised', {}))}"
        yield from _stage(recipe, "finetune")
    yield f"Encoder: {_options(manifest['encoder'])}"
    yield f"Versions: {_options(manifest['versions'])}"
    yield f"Fingerprint of the weights: `{manifest['fingerprint']}`"


def _stage(recipe: Mapping[str, Any], stage: str) -> Iterator[str]:
    loop = recipe.get(f"{stage}_loop", {})
    yield f"Its loop: {_options({k: v for k, v in loop.items() if k not in WRITTEN_DOWN})}"
    if found := recipe.get("stages", {}).get(stage):
        shown = {k: round(v, 4) if isinstance(v, float) else v for k, v in found.items()}
        yield f"How it went: {_options(shown)}"


def _objective(recipe: Mapping[str, Any]) -> str:
    # Recipes of the first release knew no other.
    return str(recipe.get("objective", CROSSL))


def _options(given: Mapping[str, Any], before: str = "") -> str:
    """Write options as `name value`; what is None was not set."""
    told = [
        _options(value, f"{before}{name}.")
        if isinstance(value, Mapping)
        else f"`{before}{name}` {_value(value)}"
        for name, value in given.items()
        if value is not None
    ]
    return ", ".join(told) or "its defaults"


def _value(value: Any) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return " ".join(str(one) for one in value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _results(metrics: Mapping[str, Any]) -> str:
    """Write what probes of the frozen features tell of the judged people, and the command."""
    probes: dict[str, Any] = {**metrics["probes"]}
    if "knn" in metrics:
        probes["knn"] = metrics["knn"]
    rows = [
        (
            PROBES.get(kind, kind), f"{found['macro_f1']:.3f}{between_text(found)}",
            f"{found['balanced_accuracy']:.3f}", f"{found['accuracy']:.3f}",
            _options({k: v for k, v in found["chosen"].items() if k != "validation_macro_f1"}),
        )
        for kind, found in probes.items()
    ]  # fmt: skip
    head = ("probe", "macro-F1", "balanced accuracy", "accuracy", "validation people chose")
    labels = metrics["f1_by_label"].items()
    blocks = [
        *([code(metrics["command"])] if metrics.get("command") else []),
        f"{metrics['windows']} windows of {people_text(metrics['subjects'])} "
        f"({metrics['split']}). Probes learn on the training people, from each modality's pooled "
        "features side by side; the encoder stays as it is.",
        table(head, rows),
        table(("label", "F1, linear probe"), [(label, f"{value:.3f}") for label, value in labels]),
    ]
    return "\n\n".join(blocks)


def _people(metrics: Mapping[str, Any]) -> str:
    """Write how well the person is read from the embedding; nothing where nobody was told apart."""
    rows = [
        (
            part, str(found["people"]), f"{found['accuracy']:.3f}", f"{found['chance']:.3f}",
            f"{found['raw_statistics']['accuracy']:.3f}",
        )
        for part, found in (metrics.get("subject_probe") or {}).items()
        if found
    ]  # fmt: skip
    if not rows:
        return ""
    head = ("people of", "people", "accuracy", "chance", "mean and deviation of raw channels")
    return (
        "Who wears the sensor, read from the embedding: a linear discriminant learns on each "
        "person's early windows and names the person of the late ones.\n\n" + table(head, rows)
    )


def _units(metrics: Mapping[str, Any]) -> str:
    found = metrics.get("selectivity")
    if not found:
        return ""
    rows = [
        (name, f"{share:.2f}", str(found["units"][name])) for name, share in found["share"].items()
    ]
    return (
        f"Mean selectivity index {found['mean_index']:.3f}: 1 where each unit listens to one "
        f"modality, {found['even']:.3f} where each listens to all alike. Training that goes past "
        "the aggregator (fine-tuning, a masked autoencoder) leaves it as it was.\n\n"
        + table(("modality", "mean share", "units it leads"), rows)
    )


def _metrics(folder: Path) -> Mapping[str, Any]:
    path = folder / "metrics.json"
    again = f"run `python -m sensor2llm.evaluate {folder} --data STORE`"
    if not path.is_file():
        raise ArtefactError(
            f"'{folder}' has no metrics.json, which its card is written from; {again}"
        )
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"))
        _ = metrics["encoder"], metrics["probes"]
    except (ValueError, KeyError, TypeError) as error:
        raise ArtefactError(f"'{path}' is broken ({first_line(error)}); {again}") from error
    return metrics
