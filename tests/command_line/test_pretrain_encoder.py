import json

import pytest

from sensor2llm.pretrain_encoder import main
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
