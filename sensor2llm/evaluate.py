"""Measure an adapter, or an encoder by probes, on labelled windows of people it has not seen.

sensor2llm evaluate ADAPTER --data STORE --controls --missing
sensor2llm evaluate ENCODER --data STORE --pictures FOLDER
"""

import sys
from pathlib import Path

from sensor2llm.command import VerbParser, parse, verb_parser
from sensor2llm.errors import run_verb
from sensor2llm.tasks.config import TASKS, By, EvaluationConfig, Part, Task

OPTIONS = ("data", "split", "by", "task", "controls", "missing", "finetuned", "pictures", "out",
           "batch-size", "seed", "calibrate", "llm", "llm-accept", "json")  # fmt: skip


def make_parser() -> VerbParser:
    """Describe the words that can be typed."""
    add = (parser := verb_parser("evaluate", __doc__, OPTIONS)).add_argument
    add("adapter", help="folder, released name or hub name of an adapter or of an encoder")
    add("--data", type=Path, required=True, metavar="STORE", help="a window store")
    add("--split", type=Part, default="test", help="test, validation, train or all people")
    add("--by", type=By, default="score", help="score labels, or read text")
    add("--task", type=Task, default="classification", help=", ".join(TASKS))
    add("--controls", action="store_true", help="also every control: wrong or no signals …")
    add("--missing", action="store_true", help="also without every subset of the modalities")
    add("--control_windows", type=int | None, help="both on so many windows at most")
    add("--finetuned", action="store_true", help="of an encoder: also a fine-tuned copy")
    add("--pictures", type=Path | None, metavar="FOLDER", help="draw the embeddings into it")
    add("--out", type=Path | None, help="folder of the results; by default the adapter's own")
    add("--batch_size", type=int, default=64, help="windows at a time")
    add("--seed", type=int, default=0, help="seed of the bootstrap and of the controls")
    add("--calibrate", type=Path, nargs="*", metavar="FOLD", help="first add to it how sure it is")
    add("--llm", type=str | None, help="where the adapter's LLM lies, if elsewhere")
    add("--llm_accept", action="store_true", help="take another LLM that labels alike")
    add("--json", action="store_true", help="print one JSON object")
    return parser


def _main(argv: list[str] | None) -> None:
    options = parse(make_parser(), argv)
    config = EvaluationConfig(**{f: options[f] for f in EvaluationConfig.__dataclass_fields__})
    from sensor2llm.plots.embedding import draw_embedding
    from sensor2llm.recipes.evaluate import check_drawable, evaluate_and_describe

    encoder = check_drawable(config) if options.pictures else None
    metrics, text = evaluate_and_describe(config, argv, options.json)
    print(text)
    if encoder:
        draw_embedding(encoder, options.pictures, metrics, part=config.split, seed=config.seed)


def main(argv: list[str] | None = None) -> int:
    """Run the verb."""
    return run_verb(lambda: _main(argv))


if __name__ == "__main__":
    sys.exit(main())
