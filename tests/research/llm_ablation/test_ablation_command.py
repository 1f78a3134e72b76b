"""The command: budgets of parts, and where runs and figures go."""

from pathlib import Path

import pytest

from research.llm_ablation.__main__ import kept_in, parser, recipe_of


@pytest.mark.parametrize(
    ("arguments", "folder"),
    [
        (["--part", "words"], "bundled/words-24-steps-of-12"),
        (["--part", "words", "--judges", "validation"], "bundled/words-24-steps-of-12"),
        (["--part", "shots", "--llm", "smollm2"], "smollm2/shots-100-steps-of-64/test-1000"),
        (
            ["--part", "joint", "--llm", "/models/mine", "--steps", "40", "--windows", "9"],
            "mine/joint-40-steps-of-64/test-9",
        ),
    ],
)
def test_runs_are_kept_by_language_model_and_budget(arguments, folder):
    options = parser().parse_args([*arguments, "--out", "runs"])
    assert kept_in(options.part, options) == Path("runs") / folder


def test_a_budget_changes_the_loop_and_few_steps_average_no_weights():
    options = parser().parse_args(["--part", "joint", "--llm", "smollm2", "--steps", "40"])
    recipe = recipe_of("uci_har", "joint", options)
    assert (recipe.llm, recipe.loop.steps, recipe.loop.ema_decay) == ("smollm2", 40, 0.0)
    usual = recipe_of("uci_har", "joint", parser().parse_args(["--part", "joint"]))
    assert (usual.llm, usual.loop.steps, usual.loop.batch_size) == ("bundled", 276, 64)
    assert usual.loop.ema_decay > 0
