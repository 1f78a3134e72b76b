"""Pretrain a small language model, as the bundled one was made.

python -m research.bundled_llm --corpus FOLDER --out FOLDER --size cpu --tokens 40000000
torchrun --nproc_per_node 2 -m research.bundled_llm --corpus FOLDER --out FOLDER

The corpus is a folder of *.jsonl.xz files, one {"source", "text"} or instruction object a line.
OUT/model is a plain Hugging Face folder. A run that was stopped goes on with --resume; a stable
stage that was cut is annealed with --stages anneal,chat,long,finish.
"""

from pathlib import Path

from research.bundled_llm.config import STAGES, PretrainConfig
from sensor2llm.errors import ConfigError, run_verb

OPTIONS = ("corpus", "out", "size", "tokens", "stages", "resume", "budget-s", "tokens-per-step",
           "rows-at-once", "learning-rate", "muon-learning-rate", "max-characters",
           "generated-tokens", "compile", "patience", "seed")  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    """Run the verb."""
    return run_verb(lambda: _main(argv))


def _main(argv: list[str] | None) -> None:
    from sensor2llm.command import parse, to_config, verb_parser

    parser = verb_parser("bundled_llm", __doc__, OPTIONS, module="research.bundled_llm")
    parser.add_argument("--corpus", type=Path, required=True, help="folder of *.jsonl.xz files")
    parser.add_argument(
        "--out", type=Path, required=True, help="run folder; the model is OUT/model"
    )
    parser.add_argument("--resume", action="store_true", help="go on from OUT's checkpoint")
    known = [stage.name for stage in STAGES]
    parser.add_argument("--stages", nargs="+", default=known, help="stages that are run")
    parser.add_class_arguments(PretrainConfig, as_group=False)
    options = parse(parser, argv)
    stages = tuple(options.stages)
    if unknown := set(stages) - set(known):
        raise ConfigError(f"unknown stage {min(unknown)!r}; choose from {', '.join(known)}")
    config = to_config(parser, options, PretrainConfig)
    from research.bundled_llm.run import pretrain

    summary = pretrain(options.corpus, options.out, config, resume=options.resume, stages=stages)
    for name, figures in summary.items():
        print(name, *(f"{key}={value}" for key, value in figures.items()))
    print(options.out / "model")


if __name__ == "__main__":
    raise SystemExit(main())
