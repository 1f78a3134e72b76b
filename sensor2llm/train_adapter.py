"""Train an adapter that lets a frozen language model hear sensors.

sensor2llm train-adapter                       simulated recordings, the bundled LLM
sensor2llm train-adapter --data STORE --encoder uci-har-encoder --out ADAPTER
sensor2llm train-adapter --from uci-har-bundled --data STORE       its weights, your labels
sensor2llm train-adapter --config RECIPE.yaml --resume

ADAPTER/recipe.yaml is such a recipe: what differs from the defaults. Options before it give way.
"""

from dataclasses import replace

from sensor2llm.command import VerbParser, parse, recipe_parser, to_config
from sensor2llm.errors import run_verb
from sensor2llm.library_output import print_result
from sensor2llm.recipes.config import Recipe

OPTIONS = (
    *("data", "llm", "encoder", "from", "out", "config", "resume", "prompt", "objective", "shots"),
    *("split.kind", "train-encoder", "projector.kind", "projector.tokens"),
    *("soft-prompt.tokens", "lora.rank", "modality-dropout", "llm-dtype", "llm-quantization"),
    *("loop.epochs", "loop.batch-size", "loop.learning-rate", "loop.seed", "show-prompt", "json"),
)


def make_parser() -> VerbParser:
    """Describe the words that can be typed."""
    parser = recipe_parser("train_adapter", __doc__, Recipe, OPTIONS)
    parser.add_argument("--from", dest="start", metavar="ADAPTER", help="short for --start-from")
    parser.add_argument("--compile", action="store_true", help="short for --llm-compile true")
    parser.add_argument("--resume", action="store_true", help="go on from OUT-run's checkpoint")
    forms = "print what the LLM reads for a window, and end: encoded, zero_shot or few_shot"
    parser.add_argument("--show_prompt", nargs="?", const="encoded", metavar="FORM", help=forms)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def train(argv: list[str] | None) -> None:
    """Train, save and say what came out; or only show the prompt."""
    options = parse(parser := make_parser(), argv)
    recipe = to_config(parser, options, Recipe)
    recipe = replace(recipe, start_from=options.start or recipe.start_from)
    recipe = replace(recipe, llm_compile=options.compile or recipe.llm_compile)
    if options.show_prompt:
        from sensor2llm.recipes.prompt import prompt_of

        print(prompt_of(recipe, options.show_prompt))
        return
    from sensor2llm.recipes.train import summary_of, train_adapter

    print_result(summary_of(train_adapter(recipe, resume=options.resume), as_json=options.json))


def main(argv: list[str] | None = None) -> int:
    """Run the verb."""
    return run_verb(lambda: train(argv))


if __name__ == "__main__":
    raise SystemExit(main())
