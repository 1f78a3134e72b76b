"""SensorAdapter: its parts, its files, and what is said of files that are broken."""

import errno
import json
import shutil
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path

import huggingface_hub
import numpy as np
import pytest
import torch
import yaml
from peft import PromptTuningConfig
from safetensors.torch import load_file

from sensor2llm.adapter import files as adapter_files
from sensor2llm.adapter.adapter import SensorAdapter
from sensor2llm.adapter.signal_text import SignalText
from sensor2llm.artefacts import manifest
from sensor2llm.errors import ArtefactError, ConfigError, SpecError
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.signals.spec import Channel, Modality, SignalSpec
from sensor2llm.signals.window import Window
from sensor2llm.tasks.loading import load_model
from tests.llm.tiny import tiny_folder
from tests.models import LABELS, normaliser, small_adapter, text_adapter, tiny_llm, windows
from tests.signals.stores import ACCEL, SPEC

RELEASED = Path(__file__).resolve().parents[2] / "adapters"


@pytest.fixture(scope="module")
def llm():
    return tiny_llm()


@pytest.fixture
def saved(llm, tmp_path):
    adapter = small_adapter(llm, label_prior=(-1.0, -2.0, -3.0, -4.5))
    return adapter.save(tmp_path / "adapter")


def test_a_saved_adapter_scores_as_before(llm, saved):
    before = small_adapter(llm, label_prior=(-1.0, -2.0, -3.0, -4.5))
    expected = SensorLanguageModel(before, llm).score(windows(4))
    model = SensorLanguageModel.from_pretrained(saved, llm)
    assert torch.equal(model.score(windows(4)), expected)
    assert not model.training
    for name in ("spec", "label_names", "label_texts", "label_prior", "form", "recipe"):
        assert getattr(model.adapter, name) == getattr(before, name)
    assert model.adapter.template == before.template


def test_from_pretrained_loads_the_llm_that_is_named(llm, saved):
    from tests.llm.tiny import tiny_folder

    model = SensorLanguageModel.from_pretrained(saved, str(tiny_folder("llama")), dtype="float32")
    assert model.llm.identity == llm.identity
    assert model.llm.name == llm.name


def test_the_folder_holds_these_files_and_no_path(saved, tmp_path):
    assert {p.name for p in saved.iterdir()} == {
        "recipe.yaml",
        "resolved.yaml",
        "README.md",
        "sensor2llm.json",
        "adapter_config.json",
        "adapter_model.safetensors",
        "bridge.safetensors",
    }
    for path in saved.glob("*.[jym]*"):
        assert str(tmp_path) not in path.read_text(encoding="utf-8")
    stated = json.loads((saved / "sensor2llm.json").read_text(encoding="utf-8"))
    assert stated["llm"] == "llama-chat"
    assert stated["llm_identity"].startswith("sha256:")
    assert {"torch", "transformers"} <= set(stated["versions"])
    recipe = yaml.safe_load((saved / "recipe.yaml").read_text(encoding="utf-8"))
    assert recipe["data"] == {"source": "made up"}


def test_a_folder_of_an_llm_is_found_again_by_the_recipe(llm, tmp_path):
    shutil.copytree(tiny_folder("llama"), tmp_path / "moved" / llm.name)
    recipe = {"llm": str(tmp_path / "moved" / llm.name)}
    saved = small_adapter(llm, recipe=recipe).save(tmp_path / "adapter")
    assert SensorLanguageModel.from_pretrained(saved).llm.identity == llm.identity
    assert load_model(str(saved)).llm.identity == llm.identity
    shutil.rmtree(tmp_path / "moved")
    with pytest.raises(ArtefactError, match=r"LLM 'llama-chat', which is not at .*moved"):
        SensorLanguageModel.from_pretrained(saved)


def test_every_file_may_be_read_by_those_who_read_the_card(saved):
    modes = {path.name: path.stat().st_mode & 0o777 for path in saved.iterdir()}
    assert set(modes.values()) == {modes["README.md"]}, modes


def test_peft_reads_the_soft_prompt(llm, saved):
    config = PromptTuningConfig.from_pretrained(str(saved))
    assert config.num_virtual_tokens == 3
    vectors = load_file(saved / "adapter_model.safetensors")["prompt_embeddings"]
    assert torch.equal(vectors, small_adapter(llm).soft_prompt.vectors)


def test_the_card_says_data_labels_and_limits(saved):
    card = (saved / "README.md").read_text(encoding="utf-8")
    for words in (
        "Not a medical device",
        "walk upstairs",
        "accel",
        "8 Hz",
        "made up",
        "llama-chat",
    ):
        assert words in card


def test_no_soft_prompt_leaves_no_peft_files_and_replaces_old_ones(llm, saved):
    (saved / "metrics.json").write_text("{}", encoding="utf-8")
    (saved / "metrics.jsonl").write_text("kept", encoding="utf-8")
    small_adapter(llm, soft=0).save(saved)
    names = {p.name for p in saved.iterdir()}
    assert not names & {"adapter_config.json", "adapter_model.safetensors", "metrics.json"}
    assert "metrics.jsonl" in names
    assert SensorAdapter.load(saved).soft_tokens == 0


def test_an_adapter_without_encoder_is_saved_and_loaded(llm, tmp_path):
    adapter = text_adapter(llm)
    loaded = SensorAdapter.load(adapter.save(tmp_path / "text"))
    assert not (tmp_path / "text" / "bridge.safetensors").exists()
    assert loaded.signal_text == SignalText(form="fixed", steps=2)
    first, second = (SensorLanguageModel(a, llm).score(windows(3)) for a in (adapter, loaded))
    assert torch.equal(first, second)


@pytest.mark.parametrize("part", ["save_file", "write_json", "card_text", "hash_files"])
def test_a_full_disk_leaves_the_old_adapter_whole(llm, saved, monkeypatch, part):
    before = {p.name: p.read_bytes() for p in saved.iterdir()}

    def full(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(adapter_files, part, full)
    with pytest.raises(OSError, match="No space left"):
        small_adapter(llm, soft=5).save(saved)
    assert {p.name: p.read_bytes() for p in saved.iterdir()} == before


def test_a_mixture_of_two_adapters_is_recognised(llm, saved, tmp_path):
    other = small_adapter(llm)
    torch.nn.init.normal_(other.projector.gain)
    new = other.save(tmp_path / "other")
    (new / "bridge.safetensors").replace(saved / "bridge.safetensors")
    with pytest.raises(ArtefactError, match=r"bridge.safetensors in .* of another adapter"):
        SensorAdapter.load(saved)


@pytest.mark.parametrize("name", ["recipe.yaml", "resolved.yaml"])
def test_a_recipe_of_another_adapter_or_edited_is_recognised(saved, name):
    recipe = saved / name
    recipe.write_text(recipe.read_text() + "split: {kind: published}\n")
    with pytest.raises(ArtefactError, match=rf"{name} in it is not the file .* or was edited;"):
        SensorAdapter.load(saved)


def test_an_adapter_with_one_whole_recipe_and_no_hash_of_it_is_loaded(saved):
    stated = json.loads((saved / "sensor2llm.json").read_text())["files"]
    recipes = {"recipe.yaml", "resolved.yaml"}
    assert set(stated) == {*recipes, "bridge.safetensors", *adapter_files.PEFT_FILES}
    edit(saved, files={name: stated[name] for name in stated if name not in recipes})
    (saved / "resolved.yaml").unlink()
    (saved / "recipe.yaml").write_text("split: {kind: published}\n")
    assert SensorAdapter.load(saved).recipe == {"split": {"kind": "published"}}
    (saved / "recipe.yaml").unlink()
    assert SensorAdapter.load(saved).recipe == {}


def test_the_recipe_holds_what_differs_and_beside_it_stands_the_whole(llm, tmp_path):
    whole = {"data": "stores/x", "loop": {"epochs": 3, "batch_size": 64}, "out": "runs/é"}
    changes = {"data": "stores/x", "loop": {"epochs": 3}}
    saved = small_adapter(llm, recipe=whole, recipe_changes=changes).save(tmp_path / "adapter")
    first, *rest = (saved / "recipe.yaml").read_text(encoding="utf-8").splitlines()
    assert first.startswith("# python -m sensor2llm.train_adapter --config recipe.yaml ")
    assert rest == ["data: stores/x", "loop:", "  epochs: 3"]
    assert yaml.safe_load((saved / "resolved.yaml").read_text(encoding="utf-8")) == whole
    again = SensorAdapter.from_pretrained(saved)
    assert again.recipe == whole
    again.save(tmp_path / "again")
    for name in ("recipe.yaml", "resolved.yaml"):
        assert (tmp_path / "again" / name).read_bytes() == (saved / name).read_bytes()


def test_what_was_measured_of_the_old_adapter_goes_and_what_is_somebodys_stays(llm, saved):
    measured = ("metrics_regression.json", "predictions_text.parquet", "confusion.png")
    for name in (*measured, "reliability.png", "training.json", "notes.md"):
        (saved / name).write_text("old")
    (saved / "data").mkdir()
    (saved / "data" / "mine.csv").write_text("mine")
    small_adapter(llm).save_pretrained(saved, {"training.json": {"steps": 3}})
    names = {path.name for path in saved.iterdir()}
    assert not names & {*measured, "reliability.png"}
    assert json.loads((saved / "training.json").read_text()) == {"steps": 3}
    assert ((saved / "notes.md").read_text(), (saved / "data/mine.csv").read_text()) == (
        "old",
        "mine",
    )


def test_saving_among_other_things_leaves_them_and_their_folder(llm, tmp_path):
    (tmp_path / "metrics.json").write_text("mine")
    inode = tmp_path.stat().st_ino
    assert SensorAdapter.load(small_adapter(llm).save(tmp_path)).soft_tokens == 3
    assert tmp_path.stat().st_ino == inode
    assert (tmp_path / "metrics.json").read_text() == "mine"


@pytest.mark.parametrize("name", ["bridge.safetensors", "adapter_model.safetensors"])
def test_missing_and_truncated_files_are_named(saved, name):
    whole = (saved / name).read_bytes()
    (saved / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ArtefactError, match=rf"{name} in .* \(truncated, or of another adapter\)"):
        SensorAdapter.load(saved)
    (saved / name).unlink()
    with pytest.raises(ArtefactError, match=f"lacks {name}; fetch or train it again"):
        SensorAdapter.load(saved)


def edit(folder, **changes):
    path = folder / "sensor2llm.json"
    content = json.loads(path.read_text(encoding="utf-8")) | changes
    path.write_text(json.dumps(content), encoding="utf-8")


def test_other_formats_and_kinds_are_refused(saved):
    edit(saved, format_version=99)
    with pytest.raises(
        ArtefactError, match=r"is of format 99, .* up to 2; keys unknown here: none"
    ):
        SensorAdapter.load(saved)
    edit(saved, format_version="2")
    with pytest.raises(ArtefactError, match=r"is broken \(format_version '2'\)"):
        SensorAdapter.load(saved)
    edit(saved, format_version=2, kind="encoder")
    with pytest.raises(ArtefactError, match="holds kind 'encoder', expected 'adapter'"):
        SensorAdapter.load(saved)
    edit(saved, kind="adapter", llm_width=7)
    with pytest.raises(ArtefactError, match=r"is broken .*fetch or train it again"):
        SensorAdapter.load(saved)
    (saved / "sensor2llm.json").write_text("{", encoding="utf-8")
    with pytest.raises(ArtefactError, match=r"sensor2llm.json' is broken"):
        SensorAdapter.load(saved)
    (saved / "sensor2llm.json").unlink()
    with pytest.raises(ArtefactError, match=r"is no adapter \(no sensor2llm.json in it\)"):
        SensorAdapter.load(saved)


def test_names_are_looked_up_among_released_adapters_and_on_the_hub(saved, monkeypatch):
    monkeypatch.setattr(manifest, "released_folder", lambda: saved.parent)
    assert SensorAdapter.load("adapter").label_names == LABELS
    with pytest.raises(ArtefactError, match=r"no adapter 'nothing'.*released are adapter;"):
        SensorAdapter.load("nothing")
    with pytest.raises(ArtefactError, match=r"no adapter 'some/one'.*the hub cannot be reached"):
        SensorAdapter.load("some/one")
    for name in ("../one", "some/one/two", "some/-one", "so me/one"):  # no names of the hub
        with pytest.raises(ArtefactError, match=rf"no adapter '{name}': there is no such folder"):
            SensorAdapter.load(name)


def test_released_adapters_are_found_beside_the_package(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert adapter_files.find_adapter("uci-har-bundled") == RELEASED / "uci-har-bundled"
    released = manifest.released_names("adapter")
    assert {"uci-har-bundled", "uci-har-questions-bundled"} < set(released)


def test_a_renamed_adapter_is_found_by_its_old_name_and_a_line_says_so(caplog):
    found = adapter_files.find_adapter("uci-har-questions")
    assert found == RELEASED / "uci-har-questions-bundled"
    assert "'uci-har-questions' is called uci-har-questions-bundled now" in caplog.text


@pytest.fixture
def hub(monkeypatch):
    """Take what is sent to the hub: the repository, and the files of the folder."""
    sent = {}

    class Api:
        def create_repo(self, repo_id, **options):
            sent["repo"] = (repo_id, options)

        def upload_folder(self, repo_id, folder_path, allow_patterns):
            names = {p.name for p in Path(folder_path).iterdir()}
            sent["files"] = {
                name for name in names if any(fnmatch(name, one) for one in allow_patterns)
            }
            return huggingface_hub.CommitInfo(
                commit_url="https://huggingface.co/some/one/commit/1",
                commit_message="",
                commit_description="",
                oid="1",
            )

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    return sent


def test_pushing_uploads_the_saved_files(llm, hub):
    assert small_adapter(llm).push_to_hub("some/one").endswith("/some/one/commit/1")
    assert hub["repo"] == ("some/one", {"private": True, "exist_ok": True})
    assert {"README.md", "sensor2llm.json", "bridge.safetensors"} <= hub["files"]


def test_pushing_a_folder_takes_along_what_was_measured_there(llm, hub, saved):
    for name in ("metrics.json", "metrics_question_answering.json", "notes.md"):
        (saved / name).write_text("{}")
    adapter = SensorAdapter.from_pretrained(saved)
    adapter.push_to_hub("some/one", saved)
    assert hub["files"] == {path.name for path in saved.iterdir()} - {"notes.md"}
    torch.nn.init.normal_(adapter.projector.gain)
    with pytest.raises(ArtefactError, match=r"adapter' holds other weights than this adapter's; "):
        adapter.push_to_hub("some/one", saved)


def test_windows_of_another_spec_are_refused_on_both_sides(llm):
    adapter = small_adapter(llm)
    with pytest.raises(SpecError, match=r"shape \(3, 15\).*expects \(3, 16\)"):
        adapter.collate([Window({"accel": torch.zeros(3, 15).numpy()})])
    faster = Modality(name="accel", channels=ACCEL.channels, steps=32, rate_hz=16.0)
    with pytest.raises(SpecError, match=r"16 Hz.*8 Hz"):
        adapter.align(adapter.collate(windows(1)), SignalSpec(modalities=(faster,)))


def test_a_store_with_fewer_modalities_is_one_with_missing_sensors(llm):
    adapter = small_adapter(llm)
    whole = adapter.collate(windows(1))
    spec = SPEC.subset(["accel"])
    some = small_adapter(llm, spec=spec).collate(
        [Window({"accel": windows(1)[0].signals["accel"]})]
    )
    found = adapter.align(some, spec)
    assert tuple(found.signals) == SPEC.names
    assert found.present.tolist() == [[True, False, False]]
    assert torch.equal(found.signals["accel"], whole.signals["accel"])
    assert adapter.align(whole, SPEC) is whole


def test_parts_that_do_not_fit_are_said(llm):
    with pytest.raises(ConfigError, match="an encoder needs a projector"):
        small_adapter(llm, encoder=None)
    with pytest.raises(ConfigError, match="projector_config belong together"):
        small_adapter(llm, projector_config=None)
    with pytest.raises(ConfigError, match="label_texts needs one entry a label: 4 labels, 1"):
        small_adapter(llm, label_texts=("one",))


def test_a_windows_text_is_in_its_own_units_and_names_what_is_missing(llm):
    spec = SignalSpec(
        modalities=(
            Modality(name="heart", channels=(Channel(name="rate", unit="bpm"),), steps=4,
                     rate_hz=2.0),
            Modality(name="beats", channels=(Channel(name="rr", unit="s"),), steps=3, axis="event"),
            ACCEL,
        )
    )  # fmt: skip
    beats = torch.tensor([[0.5, 0.75, 0.5]]).numpy()
    heart = torch.tensor([[60.0, 70.0, 80.0, 90.0]]).numpy()
    window = Window({"heart": heart, "beats": beats})
    text = SignalText(form="fixed", steps=2)
    assert text.write(window, spec).splitlines() == [
        "heart rate (bpm): 65.00, 85.00",
        "beats rr (s): 0.50, 0.75, 0.50",  # never averaged
        "accel: missing",
    ]
    adapter = small_adapter(llm, spec=spec)
    batch = adapter.collate([window])
    assert text.rows(batch, spec, adapter.normaliser) == (text.write(window, spec),)
    with pytest.raises(ConfigError, match="unknown signal text 'colours'; choose from facts"):
        SignalText(form="colours")
    with pytest.raises(ConfigError, match="must be positive, got 0"):
        SignalText(steps=0)


@pytest.mark.parametrize("label", ["a <|signal|>", "<|soft|>", "half \ud800", "\ufffd"])
def test_a_label_that_stands_for_something_else_is_refused(label):
    for changes in ({"label_names": [label]}, {"label_names": ["a"], "label_texts": [label]}):
        with pytest.raises(ConfigError, match=r"a label .*(stands for learned|no UTF-8)"):
            small_adapter(tiny_llm(), **changes)


def test_a_normalisation_must_fit_the_channels():
    own = normaliser(SPEC)
    name = SPEC.names[0]
    for field, values, why in (
        ("mean", [3.0], "one mean and one scale a channel"),
        ("mean", [np.nan] * 3, "finite means and scales above 0"),
        ("scale", [0.0] * 3, "finite means and scales above 0"),
    ):
        changed = replace(own, **{field: {**getattr(own, field), name: np.array(values)}})
        with pytest.raises(SpecError, match=f"normalisation of '{name}' needs {why}"):
            small_adapter(tiny_llm(), normaliser=changed)
    without = {k: v for k, v in own.mean.items() if k != name}
    with pytest.raises(SpecError, match="one mean and one scale a channel"):
        small_adapter(tiny_llm(), normaliser=replace(own, mean=without))
