import json

import pytest

from sensor2llm.command import read_recipe
from sensor2llm.pretrain_encoder import main
from sensor2llm.pretraining.config import PRESETS, EncoderRecipe
from tests.toy_store import make_store

SMALL = [
    "--encoder.width=8", "--encoder.kernels=[4,4,4]", "--pretrain_loop.epochs=1",
    "--finetune_loop.epochs=1", "--pretrain_loop.batch_size=16",
]  # fmt: skip


def test_writes_an_encoder_and_one_json_object(tmp_path, capsys):
    store = make_store(tmp_path)
    out = tmp_path / "encoder"
    options = ["--data", str(store.path), "--out", str(out), "--finetune=true", "--json", *SMALL]
    assert main(options) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["encoder"] == str(out)
    assert set(summary["stages"]) == {"pretrain", "finetune"}
    assert sorted(p.name for p in out.iterdir()) == ["encoder.safetensors", "sensor2llm.json"]
    manifest = json.loads((out / "sensor2llm.json").read_text())
    assert manifest["encoder"]["width"] == 8
    assert (tmp_path / "encoder-run" / "finetune" / "metrics.jsonl").is_file()
    assert main([*options, "--resume"]) == 0
    assert json.loads(capsys.readouterr().out)["fingerprint"] == summary["fingerprint"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data", "nowhere"], "'nowhere' is not a window store"),
        (["--data", "STORE", "--encoder.width=6"], "width must be a positive multiple of 4, got 6"),
        (["--data", "STORE", "--split.kind=published"], "has no published split"),
        (["--data", "STORE", "--pretrain=false"], "set pretrain or finetune to true"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(tmp_path, capsys, options, message):
    store = make_store(tmp_path, people=3, each=3)
    options = [str(store.path) if word == "STORE" else word for word in options]
    assert main([*options, "--out", str(tmp_path / "encoder"), *SMALL[3:]]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "encoder").exists()


def test_a_preset_is_the_published_settings_and_what_is_typed_behind_it_wins(tmp_path, capsys):
    store, out = make_store(tmp_path), tmp_path / "encoder"
    words = ["--preset", "crossl-paper", *SMALL, "--crossl.masking-ratio", "0.2"]
    assert main(["--data", str(store.path), "--out", str(out), *words]) == 0
    recipe = json.loads((out / "sensor2llm.json").read_text())["recipe"]
    weights = [recipe["crossl"][name] for name in ("similarity", "std", "covariance")]
    assert weights == [10, 10, 100]
    assert recipe["encoder"]["strides"] == [1, 1, 1]
    assert (recipe["crossl"]["masking_ratio"], recipe["crossl"]["distinct_views"]) == (0.2, False)
    loop = recipe["pretrain_loop"]
    assert (loop["batch_size"], loop["learning_rate"], loop["patience"]) == (16, 1e-4, 5)


def test_presets_are_recipes_and_an_unknown_one_is_named(capsys):
    published = read_recipe(PRESETS / "crossl-paper.yaml", EncoderRecipe)
    assert (published.crossl.masking_ratio, published.pretrain_loop.batch_size) == (0.1, 8)
    assert main(["--data", "store", "--out", "out", "--preset", "crossl"]) == 2
    assert capsys.readouterr().err == ("error: unknown preset 'crossl'; choose from crossl-paper\n")
