"""Cards: a jinja2 template beside the code that fills it, under the header that the hub reads.

    render_card(FOLDER / "card.md.j2", ModelCardData(license="apache-2.0", …), title="mine", …)

A template writes `{{ card_data }}` between two lines of `---`, and may extend `card.md.j2` of
another folder. What is not given to it is an error.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

if TYPE_CHECKING:  # the hub's library is imported where a card is written
    from huggingface_hub import EvalResult, ModelCardData


def render_card(template: Path, card_data: "ModelCardData", *bases: Path, **values: Any) -> str:
    """Render a card."""
    environment = Environment(
        loader=FileSystemLoader([template.parent, *bases]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals |= {"table": table, "bullets": bullets, "code": code}
    header = card_data.to_yaml()
    return environment.get_template(template.name).render(card_data=header, **values)


def make_card_data(
    licence: str | None, results: "Sequence[EvalResult]", *, name: str, **fields: Any
) -> "ModelCardData":
    """Give a card's header.

    Args:
        licence: of the weights, as the hub calls it; not made up where nobody stated one.
        results: what was measured; the hub shows it.
        name: of the model in those results.
        fields: base_model, datasets, language, pipeline_tag, tags.
    """
    from huggingface_hub import ModelCardData

    stated: dict[str, Any] = {"library_name": "sensor2llm", "license": licence or "other"}
    if not licence:
        stated["license_name"] = "not-stated"
    if results:
        stated |= {"model_name": name, "eval_results": list(results)}
    return ModelCardData(**stated, **fields)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def bullets(lines: Sequence[str]) -> str:
    """Write a Markdown list."""
    return "\n".join(f"- {line}" for line in lines)


def code(*commands: str) -> str:
    """Write commands as a block."""
    return "\n".join(["```", *commands, "```"])
