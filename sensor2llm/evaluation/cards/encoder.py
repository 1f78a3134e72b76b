"""The card of an encoder that was measured: README.md, from its manifest and its metrics.

write_encoder_card("runs/my-encoder")    after `evaluate runs/my-encoder --data STORE`
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sensor2llm.adapter.card import (
    between_text,
    data_lines,
    datasets_of,
    licence_line,
    people_text,
    signals_table,
    window_text,
)
from sensor2llm.artefacts.card import make_card_data, render_card
from sensor2llm.artefacts.manifest import first_line
from sensor2llm.encoders.files import CARD, read_manifest
from sensor2llm.errors import ArtefactError
from sensor2llm.evaluation.cards.results import label_results
from sensor2llm.training.record import write_bytes

if TYPE_CHECKING:
    from huggingface_hub import ModelCardData

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
TEMPLATE = Path(__file__).with_name("encoder.md.j2")


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
    data, selectivity = metrics.get("data") or {}, metrics.get("selectivity")
    return render_card(
        TEMPLATE,
        _card_data(manifest, metrics, recipe, name),
        title=title or name,
        name=name,
        window=window_text(manifest["spec"]),
        encoder=manifest["encoder"],
        modalities=len(manifest["spec"]["modalities"]),
        signals=signals_table(manifest["spec"]),
        data=_data(manifest, data),
        origin=list(_made(manifest, recipe)),
        metrics=metrics,
        people=people_text(metrics["subjects"]),
        probes=_probe_rows(metrics),
        by_label=[(label, f"{value:.3f}") for label, value in metrics["f1_by_label"].items()],
        persons=_person_rows(metrics),
        selectivity=selectivity,
        units=_unit_rows(selectivity) if selectivity else (),
    )


def _card_data(
    manifest: Mapping[str, Any], metrics: Mapping[str, Any], recipe: Mapping[str, Any], name: str
) -> "ModelCardData":
    """Give what the hub reads from the top of a card; the licence is the manifest's own."""
    tags = ["sensors", "time-series", "signal-encoder"]
    if recipe.get("pretrain"):
        tags += ["self-supervised-learning", _objective(recipe).replace("_", "-")]
    published = datasets_of((metrics.get("data") or {}).get("source") or "")
    facts = {key: metrics.get(key) for key in ("data", "split")}
    results = [
        result
        for kind, scores in _probes(metrics).items()
        for result in label_results({**facts, **scores}, f"{PROBES.get(kind, kind)} probe")
    ]
    return make_card_data(
        manifest.get("license"),
        results,
        name=name,
        datasets=published or None,
        pipeline_tag="feature-extraction",
        tags=tags,
    )


def _data(manifest: Mapping[str, Any], data: Mapping[str, Any]) -> list[str]:
    lines = [*data_lines(data), licence_line({**manifest, "kind": "encoder"})]
    labels = ", ".join(f"`{label}`" for label in manifest.get("label_names", ()))
    return [*lines, f"Labels: {labels}"] if labels else lines


def _made(manifest: Mapping[str, Any], recipe: Mapping[str, Any]) -> Iterator[str]:
    """Yield how the weights came about, as far as the recipe tells."""
    taught = len(recipe.get("people", {}).get("train", ()))
    if recipe.get("pretrain"):
        objective = _objective(recipe)
        head = f"Pretrained without labels by {OBJECTIVES.get(objective, objective)}"
        yield f"{head} on {people_text(taught)}: {_options(recipe.get(objective, {}))}"
        yield from _stage(recipe, "pretrain")
    if recipe.get("finetune"):
        how = "Fine-tuned" if recipe.get("pretrain") else "Trained from random weights"
        everyone = ", the validation people among them" if recipe.get("everyone") else ""
        taught += len(recipe["people"]["validation"]) if everyone else 0
        head = f"{how} with a plain head on the labels of {people_text(taught)}{everyone}"
        yield f"{head}: {_options(recipe.get('supervised', {}))}"
        yield from _stage(recipe, "finetune")
    yield f"Encoder: {_options(manifest['encoder'])}"
    yield f"Versions: {_options(manifest['versions'])}"
    yield f"Fingerprint of the weights: `{manifest['fingerprint']}`"


def _stage(recipe: Mapping[str, Any], stage: str) -> Iterator[str]:
    loop = recipe.get(f"{stage}_loop", {})
    yield f"Its loop: {_options({k: v for k, v in loop.items() if k not in WRITTEN_DOWN})}"
    if figures := recipe.get("stages", {}).get(stage):
        shown = {k: round(v, 4) if isinstance(v, float) else v for k, v in figures.items()}
        yield f"How it went: {_options(shown)}"


def _objective(recipe: Mapping[str, Any]) -> str:
    # Recipes of the first release knew no other.
    return str(recipe.get("objective", CROSSL))


def _options(options: Mapping[str, Any], before: str = "") -> str:
    """Write options as `name value`; what is None was not set."""
    texts = [
        _options(value, f"{before}{name}.")
        if isinstance(value, Mapping)
        else f"`{before}{name}` {_value(value)}"
        for name, value in options.items()
        if value is not None
    ]
    return ", ".join(texts) or "its defaults"


def _value(value: Any) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return " ".join(str(one) for one in value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _probes(metrics: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Give what probes of the frozen features tell of the judged people, by kind."""
    return {**metrics["probes"], **({"knn": metrics["knn"]} if "knn" in metrics else {})}


def _probe_rows(metrics: Mapping[str, Any]) -> list[tuple[str, ...]]:
    return [
        (
            PROBES.get(kind, kind), f"{scores['macro_f1']:.3f}{between_text(scores)}",
            f"{scores['balanced_accuracy']:.3f}", f"{scores['accuracy']:.3f}",
            _options({k: v for k, v in scores["chosen"].items() if k != "validation_macro_f1"}),
        )
        for kind, scores in _probes(metrics).items()
    ]  # fmt: skip


def _person_rows(metrics: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Say how well the person is read from the embedding; nothing where nobody was told apart."""
    return [
        (
            part, str(scores["people"]), f"{scores['accuracy']:.3f}", f"{scores['chance']:.3f}",
            f"{scores['raw_statistics']['accuracy']:.3f}",
        )
        for part, scores in (metrics.get("subject_probe") or {}).items()
        if scores
    ]  # fmt: skip


def _unit_rows(selectivity: Mapping[str, Any]) -> list[tuple[str, ...]]:
    return [
        (name, f"{share:.2f}", str(selectivity["units"][name]))
        for name, share in selectivity["share"].items()
    ]


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
