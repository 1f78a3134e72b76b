"""Measure an adapter, or an encoder by probes, on labelled windows of people it has not seen.

python -m sensor2llm.evaluate ADAPTER --data STORE --controls --missing
python -m sensor2llm.evaluate ADAPTER --data STORE --task question_answering
python -m sensor2llm.evaluate ENCODER --data STORE --pictures FOLDER
"""

import json
import sys
from pathlib import Path
from typing import Literal

from sensor2llm.errors import run_verb


def _main(argv: list[str] | None) -> None:
    from sensor2llm.command import parse, verb_parser
    from sensor2llm.tasks.config import EvaluationConfig, Part, Task

    parser = verb_parser("evaluate", __doc__)
    parser.add_argument("adapter", help="folder, released name or hub name; or an encoder's")
    parser.add_argument("--data", type=Path, required=True, metavar="STORE", help="a window store")
    parser.add_argument(
        "--split", type=Part, default="test", help="whose windows; all: everybody's"
    )
    parser.add_argument(
        "--by", type=Literal["score", "text"], default="score", help="score labels, or read text"
    )
    parser.add_argument("--task", type=Task, default="classification", help="what is asked")
    parser.add_argument("--controls", action="store_true", help="also measure every control")
    parser.add_argument(
        "--missing", action="store_true", help="also without every subset of the modalities"
    )
    parser.add_argument("--finetuned", action="store_true", help="also the fine-tuned encoder")
    parser.add_argument("--pictures", type=Path | None, metavar="FOLDER", help="of the embeddings")
    parser.add_argument("--out", type=Path | None, help="folder of the results (the adapter's own)")
    parser.add_argument("--batch_size", type=int, default=64, help="windows at a time")
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap and the controls")
    parser.add_argument("--llm", type=str | None, help="another place of the adapter's LLM")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parse(parser, argv)
    typed = " ".join(sys.argv[1:] if argv is None else argv)

    from sensor2llm.evaluation.encoder_evaluation import embedding_text, read_encoder
    from sensor2llm.recipes.evaluate import evaluate, report_text
    from sensor2llm.signals.store.store import WindowStore

    chosen = {name: options[name] for name in EvaluationConfig.__dataclass_fields__}
    if options.task != "classification":
        from sensor2llm.recipes.evaluate_task import evaluate_task, task_text

        found = evaluate_task(EvaluationConfig(**chosen), f"python -m sensor2llm.evaluate {typed}")
        print(json.dumps(found, ensure_ascii=False) if options.json else task_text(found))
        return
    # Before the minutes of measuring: there may be no encoder to draw.
    drawn = options.pictures and read_encoder(
        options.adapter, WindowStore.open(options.data), quiet=True
    )
    metrics = evaluate(EvaluationConfig(**chosen), command=f"python -m sensor2llm.evaluate {typed}")
    told = report_text(metrics) + embedding_text(metrics)
    print(json.dumps(metrics, ensure_ascii=False) if options.json else told)
    if drawn:
        from sensor2llm.plots.embedding import draw_embedding

        draw_embedding(drawn, options.pictures, metrics, part=options.split, seed=options.seed)


def main(argv: list[str] | None = None) -> int:
    """Run the verb."""
    return run_verb(lambda: _main(argv))


if __name__ == "__main__":
    sys.exit(main())
