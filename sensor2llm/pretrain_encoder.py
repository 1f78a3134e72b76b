"""Pretrain a signal encoder on a store's training people, and fine-tune it if asked.

sensor2llm pretrain-encoder --data stores/uci_har --out encoders/uci_har
sensor2llm pretrain-encoder --data stores/uci_har --finetune true --out encoders/uci_har_finetuned
"""

import json
from pathlib import Path

from sensor2llm.command import PresetOption, VerbParser, parse, recipe_parser, to_config
from sensor2llm.errors import run_verb
from sensor2llm.library_output import print_result
from sensor2llm.pretraining.config import PRESETS, EncoderRecipe

OPTIONS = (
    *("data", "out", "config", "objective", "finetune", "pretrain", "everyone", "seed", "resume"),
    *("split.kind", "split.fold", "split.folds", "encoder.kind", "encoder.width"),
    *("pretrain-loop.epochs", "pretrain-loop.batch-size", "pretrain-loop.learning-rate"),
    *("pretrain-loop.budget-s", "finetune-loop.epochs", "finetune-loop.learning-rate"),
    *("supervised.label-smoothing", "supervised.freeze-encoder", "preset", "pictures", "json"),
)


def make_parser() -> VerbParser:
    """Describe the words that can be typed."""
    parser = recipe_parser("pretrain_encoder", __doc__, EncoderRecipe, OPTIONS)
    add = parser.add_argument
    add("--data", type=Path, required=True, help="the window store")
    add("--out", type=Path, required=True, help="the encoder's folder to write")
    add("--preset", action=PresetOption, folder=PRESETS, help="settings as published")
    add("--pictures", type=Path | None, help="folder for the masked autoencoder's attention")
    add("--resume", action="store_true", help="go on with an interrupted run")
    add("--json", action="store_true", help="print the summary as one JSON object")
    return parser


def pretrain_encoder(argv: list[str] | None) -> None:
    """Train, save, and say what came out."""
    args = parse(parser := make_parser(), argv)
    recipe = to_config(parser, args, EncoderRecipe)

    from sensor2llm.pretraining.recipe import make_encoder, summary_text

    summary = make_encoder(recipe, args.data, args.out, resume=args.resume)
    if args.pictures and (attention := summary["stages"].get("pretrain", {}).get("attention")):
        import numpy as np

        from sensor2llm.plots.attention import draw_attention

        draw_attention(np.load(attention), summary["modalities"], args.pictures)
    print_result(json.dumps(summary) if args.json else summary_text(summary))


def main(argv: list[str] | None = None) -> int:
    """Run the verb."""
    return run_verb(lambda: pretrain_encoder(argv))


if __name__ == "__main__":
    raise SystemExit(main())
