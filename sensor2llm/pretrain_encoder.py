"""Pretrain a signal encoder on a store's training people, and fine-tune it if asked.

python -m sensor2llm.pretrain_encoder --data stores/uci_har --out encoders/uci_har
python -m sensor2llm.pretrain_encoder --data stores/uci_har --objective masked_autoencoder \
    --pictures runs/attention --out encoders/uci_har_masked
python -m sensor2llm.pretrain_encoder --data stores/uci_har --split.kind published \
    --finetune true --out encoders/uci_har_finetuned
"""

import json
from pathlib import Path

from jsonargparse import ArgumentParser

from sensor2llm.command import parse, recipe_parser, to_config
from sensor2llm.errors import run_verb
from sensor2llm.pretraining.config import EncoderRecipe


def make_parser() -> ArgumentParser:
    """Describe the words that can be typed."""
    parser = recipe_parser("pretrain_encoder", __doc__, EncoderRecipe)
    parser.add_argument("--data", type=Path, required=True, help="the window store")
    parser.add_argument("--out", type=Path, required=True, help="the encoder's folder to write")
    parser.add_argument(
        "--pictures", type=Path | None, help="folder for the masked autoencoder's attention"
    )
    parser.add_argument("--resume", action="store_true", help="go on with an interrupted run")
    parser.add_argument("--json", action="store_true", help="print the summary as one JSON object")
    return parser


def pretrain_encoder(argv: list[str] | None) -> None:
    """Train, save, and say what came out."""
    parser = make_parser()
    args = parse(parser, argv)
    recipe = to_config(parser, args, EncoderRecipe)

    from sensor2llm.pretraining.recipe import make_encoder
    from sensor2llm.signals.labels import warn_of_spellings
    from sensor2llm.signals.store.store import WindowStore

    if recipe.finetune:
        warn_of_spellings(WindowStore.open(args.data).label_names)
    summary = make_encoder(recipe, args.data, args.out, resume=args.resume)
    if args.pictures and (attention := summary["stages"].get("pretrain", {}).get("attention")):
        import numpy as np

        from sensor2llm.plots.attention import draw_attention

        draw_attention(np.load(attention), summary["modalities"], args.pictures)
    if args.json:
        print(json.dumps(summary))
        return
    for stage, figures in summary.pop("stages").items():
        print(f"{stage}: {', '.join(f'{k} {_rounded(v)}' for k, v in figures.items())}")
    for name, value in summary.items():
        print(f"{name}: {', '.join(value) if isinstance(value, list) else value}")


def _rounded(value: object) -> object:
    return f"{value:.4g}" if isinstance(value, float) else value


def main(argv: list[str] | None = None) -> int:
    """Run the verb."""
    return run_verb(lambda: pretrain_encoder(argv))


if __name__ == "__main__":
    raise SystemExit(main())
