"""GGUF files: what is read from them, what of it is kept, and every file that cannot be read."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from gguf import GGUFReader
from gguf.quants import dequantize
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from sensor2llm.artefacts.hashing import hash_file
from sensor2llm.errors import ArtefactError, DiskFullError, ModelError
from sensor2llm.llm.catalogue import entries, gguf
from sensor2llm.llm.catalogue.entries import CATALOGUE, CatalogueEntry
from sensor2llm.llm.catalogue.location import locate
from sensor2llm.llm.frozen import FrozenLLM
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.tasks.loading import load_model
from tests.llm.catalogue.tiny_gguf import HEADS, WIDTH, write_gguf
from tests.models import small_adapter, windows


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv(entries.CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def file(tmp_path) -> Path:
    (tmp_path / "models").mkdir()
    return write_gguf(tmp_path / "models" / "tiny-Q4_1.gguf")


def load(path: Path | str, **options) -> FrozenLLM:
    return FrozenLLM.load(str(path), **{"dtype": "float32"} | options)


def test_the_kept_weights_are_the_files_own(file):
    stored = {t.name: dequantize(t.data, t.tensor_type) for t in GGUFReader(str(file)).tensors}
    kept = load_file(locate(str(file)).source / "model.safetensors")
    assert {tensor.dtype for tensor in kept.values()} == {torch.float32}

    def same(name: str, values) -> bool:
        return torch.equal(kept[f"model.{name}.weight"], torch.tensor(values))

    assert same("embed_tokens", stored["token_embd.weight"])
    assert same("layers.1.mlp.down_proj", stored["blk.1.ffn_down.weight"])
    assert same("layers.0.self_attn.v_proj", stored["blk.0.attn_v.weight"])
    # llama.cpp rotates neighbouring rows of a head together, transformers its two halves.
    query = stored["blk.0.attn_q.weight"].reshape(HEADS, WIDTH // HEADS // 2, 2, WIDTH)
    assert same("layers.0.self_attn.q_proj", query.swapaxes(1, 2).reshape(WIDTH, WIDTH))


def test_a_file_speaks_with_its_own_tokenizer_and_template(file):
    llm = load(file)
    rendered = llm.render([{"role": "user", "content": "Which activity is it?"}])
    assert rendered == "<|im_start|>user\nWhich activity is it?<|im_end|>\n<|im_start|>assistant\n"
    assert llm.tokenizer.convert_ids_to_tokens(llm.end_of_turn_id) == "<|im_end|>"
    assert llm.tokenizer.decode(llm.encode("0.5 m/s2, walking")) == "0.5 m/s2, walking"


def test_its_name_is_the_stem_and_its_identity_the_files_sha256(file, capfd):
    llm = load(file)
    assert (llm.name, llm.identity) == ("tiny-Q4_1", f"sha256:{hash_file(file)}")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_folder_file_and_kept_copy_are_one_model(file, dtype):
    folder = locate(str(file)).source
    models = [load(place, dtype=dtype) for place in (file, file.parent, folder)]
    assert len({llm.identity for llm in models}) == len({llm.fingerprint() for llm in models}) == 1
    assert {llm.name for llm in models} == {"tiny-Q4_1"}
    assert {llm.dtype for llm in models} == {getattr(torch, dtype)}


def test_a_file_is_unpacked_once(file, monkeypatch):
    first = locate(str(file))
    monkeypatch.setattr(gguf, "_unpack", lambda *_: pytest.fail("unpacked again"))
    copy = file.with_name("renamed.gguf")
    copy.write_bytes(file.read_bytes())
    assert locate(str(copy)).source == first.source
    assert load(copy).name == "renamed"


def test_what_was_changed_in_the_cache_is_said(file):
    folder = locate(str(file)).source
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"rope_theta": 5.0}))
    with pytest.raises(ModelError, match=r"was made from the GGUF file 'tiny-Q4_1' and was chang"):
        _ = load(file).identity


def test_random_weights_take_the_files_configuration(file):
    drawn, other = load(file, random_weights=True), load(file, random_weights=True, seed=1)
    assert drawn.width == WIDTH
    assert len({load(file).identity, drawn.identity, other.identity}) == 3
    assert drawn.fingerprint() == load(file, random_weights=True).fingerprint()


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-2000])


def _head(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:300])


def _encrypted(file: Path) -> None:
    file.write_bytes(bytes(byte ^ 0x5A for byte in file.read_bytes()))


def _pointer(file: Path) -> None:
    file.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")


BROKEN = {
    "cut off": (_cut, r"'tiny-Q4_1\.gguf' cannot be read \(.*\); it is broken or cut off: get it"),
    "head only": (_head, r"'tiny-Q4_1\.gguf' cannot be read \(.*\); it is broken or cut off"),
    "empty": (
        lambda f: f.write_bytes(b""),
        r"'tiny-Q4_1\.gguf' is no GGUF file: it does not begin",
    ),
    "encrypted": (_encrypted, r"is no GGUF file: it does not begin with GGUF \(empty, encrypted"),
    "Git LFS pointer": (_pointer, r"tiny-Q4_1\.gguf in '.*' is a Git LFS pointer"),
    "unknown architecture": (
        lambda f: write_gguf(f, architecture="sensorformer"),
        r"transformers does not read the GGUF file 'tiny-Q4_1\.gguf' \(.*sensorformer",
    ),
    "a tensor left out": (
        lambda f: write_gguf(f, without="blk.1.ffn_up.weight"),
        r"'tiny-Q4_1\.gguf' is incomplete: model\.layers\.1\.mlp\.up_proj\.weight and 0 more are",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_cannot_be_read_is_one_line_and_leaves_nothing(name, file, cache, capfd):
    spoil, line = BROKEN[name]
    spoil(file)
    with pytest.raises(ModelError, match=line) as error:
        load(file)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) <= 300
    assert capfd.readouterr().err == ""
    assert not [path for path in cache.rglob("*") if path.is_file()]


def test_several_files_in_a_folder_are_named(file):
    write_gguf(file.with_name("other.gguf"), seed=1)
    line = r"holds 2 GGUF files \(other\.gguf, tiny-Q4_1\.gguf\); give one of them, such as '.*/oth"
    with pytest.raises(ModelError, match=line):
        locate(str(file.parent))


def test_a_quantised_file_is_not_quantised_again(file):
    line = r"' comes quantised, as a GGUF file; leave out the quantization '4bit'"
    for name in (file, file.parent, locate(str(file)).source):
        with pytest.raises(ModelError, match=line):
            load(name, quantization="4bit")


def test_what_cannot_be_quantised_again_is_refused_before_it_is_got(cache):
    with pytest.raises(ModelError, match=r"'smollm2' comes quantised, as a GGUF file; leave out"):
        load("smollm2", quantization="8bit")
    assert not list(cache.rglob("*"))


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(ModelError, match=r"no language model at '.*/none\.gguf'; give 'bundled', "):
        locate(str(tmp_path / "none.gguf"))


def test_a_full_disk_leaves_nothing_and_names_the_variable(file, cache, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(gguf, "_save", full)
    with pytest.raises(DiskFullError, match=r"make room there, or set SENSOR2LLM_CACHE to another"):
        locate(str(file))
    assert not [path for path in cache.rglob("*") if path.is_file()]


KILLED = """
import os, sys
from sensor2llm.llm.catalogue import gguf
from sensor2llm.llm.catalogue.location import locate
gguf._tokenizer = lambda file: os._exit(9)
locate(sys.argv[1])
"""


def test_a_kill_while_unpacking_leaves_nothing_half(file, cache):
    killed = subprocess.run([sys.executable, "-c", KILLED, str(file)], capture_output=True)
    assert killed.returncode == 9
    assert list(cache.rglob("model.safetensors"))  # of the killed process, beside the place
    assert not (cache / "gguf" / hash_file(file)).exists()
    assert load(file).identity == f"sha256:{hash_file(file)}"
    assert [path.name for path in (cache / "gguf").iterdir()] == [hash_file(file)]


TOGETHER = (
    "import sys; from sensor2llm.llm.catalogue.location import locate; "
    "print(locate(sys.argv[1]).source)"
)


def test_two_processes_unpack_one_file(file):
    words = [sys.executable, "-c", TOGETHER, str(file)]
    both = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    places = {process.communicate()[0] for process in both}
    assert [process.returncode for process in both] == [0, 0]
    assert places == {f"{locate(str(file)).source}\n"}


def catalogued(monkeypatch, file: Path) -> None:
    """Let a file be the one of the catalogue."""
    size = file.stat().st_size
    entry = CatalogueEntry(
        name="tiny", what="", licence="MIT", package="tiny", version="1", wheel_bytes=size,
        wheel_sha256="", file=file.name, file_bytes=size, sha256=hash_file(file),
    )  # fmt: skip
    monkeypatch.setitem(CATALOGUE, "tiny", entry)
    entry.path.parent.mkdir(parents=True)
    file.replace(entry.path)


def test_an_adapter_finds_its_catalogue_model_wherever_the_file_was(file, tmp_path, monkeypatch):
    content = file.read_bytes()
    catalogued(monkeypatch, file)
    file.write_bytes(content)
    llm = load(file)
    assert llm.name == "tiny"
    model = SensorLanguageModel(small_adapter(llm, recipe={"llm": str(file)}), llm).eval()
    model.adapter.save(tmp_path / "adapter")
    file.unlink()
    loaded = load_model(tmp_path / "adapter", dtype="float32")
    assert (loaded.llm.name, loaded.llm.identity) == ("tiny", llm.identity)
    assert torch.equal(loaded.score(windows(4)), model.score(windows(4)))
    stated = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    assert stated["base_model_name_or_path"] == "tiny"


def test_an_adapter_whose_file_is_gone_says_where_it_was(file, tmp_path):
    llm = load(file)
    small_adapter(llm, recipe={"llm": str(file)}).save(tmp_path / "adapter")
    file.unlink()
    with pytest.raises(ArtefactError, match=r"the LLM 'tiny-Q4_1', which is not at .*Q4_1\.gguf"):
        load_model(tmp_path / "adapter")


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
def test_peft_loads_the_soft_prompt_on_the_unpacked_folder(file, tmp_path):
    llm = load(file)
    adapter = small_adapter(llm, soft=3)
    adapter.save(tmp_path / "adapter")
    base = AutoModelForCausalLM.from_pretrained(locate(str(file)).source, dtype=torch.float32)
    peft = PeftModel.from_pretrained(base, tmp_path / "adapter")
    assert torch.equal(peft.get_prompt(batch_size=1)[0], adapter.soft_prompt.vectors)
