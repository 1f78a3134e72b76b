"""Train an adapter that lets a frozen language model hear sensors.

python -m sensor2llm.train_adapter                       simulated recordings, bundled LLM
python -m sensor2llm.train_adapter --data STORE --llm bundled --out ADAPTER
python -m sensor2llm.train_adapter --config RECIPE.yaml --resume
accelerate launch --num_processes 2 -m sensor2llm.train_adapter --data STORE

The recipe file is what ADAPTER/recipe.yaml holds; options on the command line go before it.
"""

from sensor2llm.errors import run_verb
from sensor2llm.recipes.config import Recipe


def main(argv: list[str] | None = None) -> int:
    """Run the verb."""
    return run_verb(lambda: _main(argv))


def _main(argv: list[str] | None) -> None:
    from sensor2llm.command import parse, recipe_parser, to_config

    parser = recipe_parser("train_adapter", __doc__, Recipe)
    parser.add_argument("--resume", action="store_true", help="go on from OUT-run's checkpoint")
    parser.add_argument(
        "--show_prompt",
        nargs="?",
        const="encoded",
        metavar="FORM",
        help="print what the LLM gets for a window, and end: encoded, zero_shot or few_shot",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parse(parser, argv)
    recipe = to_config(parser, options, Recipe)
    if options.show_prompt:
        from sensor2llm.recipes.prompt import prompt_of

        print(prompt_of(recipe, options.show_prompt))
        return
    from sensor2llm.recipes.train import summary_of, train_adapter

    trained = train_adapter(recipe, resume=options.resume)
    print(summary_of(trained, as_json=options.json))


if __name__ == "__main__":
    raise SystemExit(main())
