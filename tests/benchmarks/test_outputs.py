"""Numbers and captions of `outputs`: what is heard, told, judged, kept and written."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from benchmarks.quality import outputs
from benchmarks.quality.output_parts import hearing
from benchmarks.quality.output_parts.captions import CaptionsPart, count
from benchmarks.quality.output_parts.captions import summary as caption_summary
from benchmarks.quality.output_parts.hearing import NORMALISED, OWN, TRAINING, OwnScale, get_heard
from benchmarks.quality.output_parts.numbers import (
    BRIDGE,
    NONE,
    PENALTIES,
    SCALES,
    TEXT,
    NumbersPart,
    features,
    fit_ridge,
    summary,
    telling,
)
from benchmarks.quality.output_parts.over_people import mean_over_people
from benchmarks.quality.output_parts.table import number, report
from sensor2llm.bridge.config import ProjectorConfig
from sensor2llm.datasets.simulation.config import SimulationConfig
from sensor2llm.datasets.simulation.simulate import simulate_store
from sensor2llm.encoders.config import EncoderConfig
from sensor2llm.pretraining.config import EncoderRecipe
from sensor2llm.recipes.config import CAPTIONING, REGRESSION, Recipe, TaskMix
from sensor2llm.signals.config import SplitConfig
from sensor2llm.signals.dataset import WindowDataset
from sensor2llm.signals.splits.splits import make_split
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.transforms import fit_normaliser
from sensor2llm.tasks.captioning import make_captions, shares
from sensor2llm.tasks.question_answering import facts_of_rows
from sensor2llm.training.config import LoopConfig
from tests.llm.tiny import tiny_folder

LOOP = LoopConfig(epochs=2, steps=2, batch_size=8, learning_rate=1e-2, precision="float32")
WINDOWS = 8
ENCODER = EncoderRecipe(
    pretrain=False,
    finetune=True,
    encoder=EncoderConfig(width=8, pooled_steps=4),
    finetune_loop=LOOP,
)


@pytest.fixture(scope="module")
def recipes(tmp_path_factory) -> dict[str, Recipe]:
    """Give recipes of numbers and captions on small simulated data and a tiny LLM."""
    folder = tmp_path_factory.mktemp("outputs")
    found = {}
    for part, scenario, bout_s in (("heart_rate", "rhythm", 150), ("captions", "activity", 15)):
        config = SimulationConfig(scenario=scenario, subjects=6, sessions=1, bout_s=bout_s)
        simulate_store(folder / part, config)
        mix = {REGRESSION: TaskMix(target="ibi.heart_rate")}
        found[part] = Recipe(
            data=folder / part,
            split=SplitConfig(kind="subject", test_share=0.4),
            new_encoder=ENCODER,
            llm=str(tiny_folder("llama")),
            llm_dtype="float32",
            projector=ProjectorConfig(tokens=2, hidden=16),
            tasks=mix if part == "heart_rate" else {CAPTIONING: TaskMix(per_window=1)},
            loop=LOOP,
            out=folder / "unused",
        )
    return found


@pytest.fixture(scope="module")
def measured(recipes, tmp_path_factory):
    out = tmp_path_factory.mktemp("kept")
    return out, outputs.measure(recipes, WINDOWS, out)


def test_a_mean_is_over_windows_and_its_interval_over_people():
    rng = np.random.default_rng(0)
    values, people = rng.normal(5, 1, 60), np.repeat([4, 7, 9], (10, 20, 30))
    found = mean_over_people(values, people)
    assert found["value"] == pytest.approx(values.mean())
    means = [values[people == one].mean() for one in (4, 7, 9)]
    low, high = found["interval"]
    assert min(means) - 1e-9 <= low < found["value"] < high <= max(means) + 1e-9
    weights = rng.integers(1, 5, 60).astype(float)
    weighted = mean_over_people(values, people, weights)
    assert weighted["value"] == pytest.approx(np.average(values, weights=weights))
    assert mean_over_people(values, np.zeros(60))["interval"] is None


def test_a_window_by_itself_has_no_level_and_no_spread():
    own, values = OwnScale(torch.nn.Identity()), torch.randn(3, 2, 20)
    found = own(values)
    torch.testing.assert_close(found.mean(-1), torch.zeros(3, 2), atol=1e-5, rtol=0)
    torch.testing.assert_close(found, own(3 * values + 70), atol=1e-3, rtol=0)
    assert torch.equal(own(torch.ones(1, 1, 20)), torch.zeros(1, 1, 20))


def test_both_encoders_start_alike_and_only_one_hears_the_level(recipes, tmp_path, monkeypatch):
    recipe = replace(recipes["heart_rate"], out=tmp_path / "x")
    store = WindowStore.open(recipe.data)
    split = make_split(store, recipe.split)
    given = []

    def untaught(encoder, *rest, **options):
        given.append({k: v.clone() for k, v in encoder.state_dict().items()})
        return SimpleNamespace(encoder=encoder.eval(), normaliser=None)

    monkeypatch.setattr(hearing, "finetune", untaught)
    torch.manual_seed(recipe.new_encoder.finetune_loop.seed)
    plain = hearing.SignalEncoder(store.spec, recipe.new_encoder.encoder).eval()
    own = get_heard(recipe, store, split, OWN).encoder
    mine = {name.replace("encoder.", ""): value for name, value in given[0].items()}
    assert mine.keys() == plain.state_dict().keys()
    assert all(torch.equal(mine[name], value) for name, value in plain.state_dict().items())
    normaliser = fit_normaliser(store, split.train)
    batch = WindowDataset(store, split.train[:4], normaliser).batch([0, 1, 2, 3])
    slower = replace(batch, signals={k: v + 1 for k, v in batch.signals.items()})
    torch.testing.assert_close(own(batch).pooled, own(slower).pooled, atol=1e-3, rtol=1e-3)
    assert not torch.allclose(plain(batch).pooled, plain(slower).pooled, atol=1e-2)


def test_the_scale_is_told_in_one_way_at_a_time(recipes):
    told = {scale: telling(recipes["heart_rate"], scale) for scale in SCALES}
    assert [told[scale].projector.scale for scale in (NONE, BRIDGE, TEXT)] == [False, True, False]
    prompts = [told[scale].tasks[REGRESSION].prompt for scale in (NONE, BRIDGE, TEXT)]
    assert prompts == [None, None, "estimate_with_scale"]


def test_the_validation_people_choose_the_penalty():
    rng = np.random.default_rng(0)
    heard = {part: rng.normal(3, 2, (30, 20)) for part in ("train", "validation", "test")}
    values = {part: x[:, 0] + rng.normal(0, 2, 30) for part, x in heard.items()}
    centre, size = heard["train"].mean(0), heard["train"].std(0)
    normal = {part: (x - centre) / size for part, x in heard.items()}
    fitted = [Ridge(penalty).fit(normal["train"], values["train"]) for penalty in PENALTIES]
    off = [
        np.abs(one.predict(normal["validation"]) - values["validation"]).mean() for one in fitted
    ]
    expected = fitted[int(np.argmin(off))].predict(normal["test"])
    np.testing.assert_allclose(fit_ridge(heard, values).predict(heard["test"]), expected)


def test_an_answer_without_a_number_counts_as_the_training_mean():
    true, people = [60.0, 80.0, 100.0], ["a", "a", "b"]
    bare = {"true": true, "people": people, "unit": "bpm", "mean": 70.0}
    bare["said"] = {NONE: [60.0, 80.0, 90.0], BRIDGE: true}
    said = {"text": [60.0, None, 90.0], "head": [61.0, 81.0, 101.0]}
    other = {"text": [80.0, 60.0, 60.0], "head": [80.0, 60.0, 60.0]}
    run = {"said": said, "swapped": other, "cost": {}, "positions": 27}
    better = run | {"said": {"text": true, "head": [60.0, 80.0, 103.0]}}
    found = summary({NONE: run, BRIDGE: better}, bare)
    plain, told = found["rows"][NONE], found["rows"][BRIDGE]
    assert plain["text"]["value"] == pytest.approx((0 + 10 + 10) / 3)
    assert plain["text"]["unparsed"] == pytest.approx(1 / 3)
    assert plain["swapped"]["head"] == pytest.approx((20 + 20 + 40) / 3)
    assert plain["ridge"]["value"] == pytest.approx(10 / 3)
    assert found["mean"]["value"] == pytest.approx((10 + 10 + 30) / 3)
    assert told["text"]["told"]["value"] == pytest.approx(-20 / 3)
    assert told["head"]["told"]["value"] == pytest.approx(0)
    assert told["ridge"]["value"] == 0
    assert "told" not in plain["text"]


def test_shares_of_captions_are_of_all_statements(recipes):
    store = WindowStore.open(recipes["captions"].data)
    rows = np.arange(0, len(store), 3)
    items = make_captions(facts_of_rows(store, rows), store.spec, seed=0)
    said = [*items.captions[5:], *items.captions[:5]]
    people = np.asarray(store.subjects)[rows].tolist()
    run = {"counts": {"said": count(items, said)}, "people": people}
    run |= dict.fromkeys(("cost", "positions", "examples", "constant_caption"))
    found = caption_summary(run)["rows"]["said"]
    expected = shares(items, said)
    assert found["value"] == pytest.approx(expected["true"])
    assert found["statements"] == pytest.approx(expected["statements"])
    assert found["unparsed"] == pytest.approx(expected["unparsed"])


def test_every_part_runs_and_goes_on_without_training_again(recipes, measured, monkeypatch):
    out, found = measured
    for name in ("numbers", "captions"):
        monkeypatch.setattr(f"benchmarks.quality.output_parts.{name}.train", None)
    again = outputs.measure(recipes, WINDOWS, out)
    assert json.dumps(again) == json.dumps(found)
    assert tuple(found["numbers"]["heart_rate"]) == NORMALISED
    for part in found["numbers"]["heart_rate"].values():
        assert tuple(part["rows"]) == SCALES
        assert (part["unit"], part["windows"]) == ("bpm", WINDOWS)
    assert set(found["captions"]["rows"]) == {"said", "swapped", "constant", "training"}


def test_ridge_is_given_the_statistics_that_the_bridge_is_told(recipes, measured):
    part = NumbersPart(
        recipe=recipes["heart_rate"], normalised=TRAINING, scales=SCALES, windows=WINDOWS,
        out=measured[0] / "heart_rate" / TRAINING.replace(" ", "-"),
    )  # fmt: skip
    bench = part.bench(BRIDGE)
    plain, told = (features(bench, "test", scale) for scale in (False, True))
    assert np.array_equal(told[:, : plain.shape[1]], plain)
    batch = WindowDataset(bench.store, bench.positions("test"), bench.heard.normaliser)
    values = batch.batch(np.arange(WINDOWS)).signals["ibi"][:, 0].numpy()
    numbers = np.stack([values.mean(1), values.std(1)], axis=1)
    expected = np.sign(numbers) * np.log1p(np.abs(numbers))
    np.testing.assert_allclose(told[:, plain.shape[1] :], expected, atol=1e-5)


def test_the_page_has_a_row_of_every_way(measured):
    page = report({**measured[1], "command": "python -m benchmarks.quality.outputs"})
    for normalised in NORMALISED:
        assert page.count(f"| heart rate, {normalised} |") == len(SCALES)
    assert "Error with the scale told less that without:" in page
    assert page.count("another person's window heard") == 1
    assert page.endswith("\n\n    python -m benchmarks.quality.outputs")


def test_numbers_have_three_digits_that_count():
    assert [number(v) for v in (1.5, 20.96, 0.00911, 123.4)] == ["1.50", "21.0", "0.00911", "123"]


def test_the_shipped_recipes_are_those_of_the_parts():
    options = outputs.parser().parse_args(["--steps", "7"])
    found = {part: outputs.recipe_of(part, options) for part in outputs.PARTS}
    assert {part: recipe.loop.steps for part, recipe in found.items()} == dict.fromkeys(found, 7)
    targets = [found[part].tasks[REGRESSION].target for part in outputs.NUMBERS]
    assert targets == ["rr.heart_rate", "spirogram.fev1"]
    assert set(found["captions"].tasks) == {CAPTIONING}


def test_a_captions_part_judges_as_many_windows_as_asked(recipes, measured):
    part = CaptionsPart(recipe=recipes["captions"], windows=WINDOWS, out=measured[0] / "captions")
    kept = json.loads((part.out / "run.json").read_text(encoding="utf-8"))
    assert len(kept["people"]) == WINDOWS
    assert all(len(counts["true"]) == WINDOWS for counts in kept["counts"].values())
