"""Any tokenizer: real files of many families, exact offsets, errors in one line."""

import base64
import json
import os
import sys

import numpy as np
import pytest
import tiktoken
import tokenizers
from tokenizers import decoders, models, pre_tokenizers

from sensor2llm.errors import ConfigError, ModelError
from tokenization_study.tokenizers.encoded import LARGEST_ID, Pieces
from tokenization_study.tokenizers.loaders.panics import library_call
from tokenization_study.tokenizers.loaders.split_patterns import PATTERNS
from tokenization_study.tokenizers.tokenizers import (
    check_names,
    default_tokenizers,
    load_tokenizer,
)

STRINGS = ["480, 481, 482", "3.14159", "1234567", "-0.0123 0.98", "72.5 bpm"]
HARD = ["é 12\n3 −4 三½  5 ", "🙂1", "", " 12", "12 ", "a\tb  c\r\n", "1600,A,9;\n" * 3]
FAMILIES = {
    "GPT-2/3 r50k": "openai/r50k_base.tiktoken",
    "p50k": "openai/p50k_base.tiktoken",
    "GPT-4 cl100k": "openai/cl100k_base.tiktoken",
    "GPT-4o o200k": "openai/o200k_base.tiktoken",
    "Whisper": "openai/whisper_multilingual.tiktoken",
    "Llama-1/2": "llama2/tokenizer.model",
    "Llama-3": "llama3",
    "Llama-4": "llama4/tokenizer.model",
    "Mistral v1": "mistral/tokenizer.model.v1",
    "Mistral v3": "mistral/tokenizer_v3_240323.model",
    "Mistral Tekken": "mistral_tekken",
    "Qwen 1-3": "qwen/qwen.tiktoken",
    "Falcon": "falcon",
    "GPT-NeoX/Pythia": "gpt-neox",
    "Galactica": "galactica/tokenizer.json",
    "T5": "t5/spiece.model",
    "BERT": "bert/vocab.txt",
    "Baichuan2": "baichuan",
    "Claude (2023)": "claude/claude.json",
}
OTHER_FORMATS = ["llama2/tokenizer.json", "t5/tokenizer.json", "claude/tokenizer.json", "qwen2",
                 "openai/gpt2", "openai/gpt2/encoder.json"]  # fmt: skip


def small_ranks(path, extra=("12", "48")):
    """Write a rank file of all bytes and some pairs of digits."""
    tokens = [bytes([b]) for b in range(256)] + [word.encode() for word in extra]
    lines = [f"{base64.b64encode(t).decode()} {i}" for i, t in enumerate(tokens)]
    path.write_text("\n".join(lines) + "\n")
    return path


def small_byte_bpe():
    """Give a byte-level tokenizer.json whose é is two tokens."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: i for i, letter in enumerate(alphabet)} | {"12": 256, "Ġ4": 257}
    backend = tokenizers.Tokenizer(models.BPE(vocabulary, [("1", "2"), ("Ġ", "4")]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens(["<|end|>"])
    return backend


def spans(tokenizer, text):
    return tokenizer.encode([text]).spans_of(0)


@pytest.mark.parametrize("family", FAMILIES)
def test_real_files_split_as_their_reference_libraries_do(family, shared, tokenizer_files):
    lines = (shared / "tokenizers" / "splits.txt").read_text(encoding="utf-8").splitlines()
    line = next(line for line in lines if line.startswith(family + " "))
    expected = line[len(family) :].split(maxsplit=1)[1].split("   ;   ")
    tokenizer = load_tokenizer(str(tokenizer_files / FAMILIES[family]))
    encoded = tokenizer.encode(STRINGS)
    for i, (text, splits) in enumerate(zip(STRINGS, expected, strict=True)):
        found = [text[a:b] for a, b in encoded.spans_of(i) if b > a]
        marked = splits.replace("Ġ", " ").replace("▁", " ").replace("##", "")
        wanted = [p.strip() for p in marked.split("|")]
        assert [p.strip() for p in found if p.strip()] == [p for p in wanted if p]
    check_offsets(tokenizer)


@pytest.mark.parametrize("name", OTHER_FORMATS)
def test_other_formats_of_the_same_tokenizers_have_exact_offsets(name, tokenizer_files):
    check_offsets(load_tokenizer(str(tokenizer_files / name)))


def check_offsets(tokenizer):
    """Offsets rise, cover all but white space, and do not depend on the other texts."""
    texts = [*STRINGS, *HARD]
    encoded = tokenizer.encode(texts)
    for i, text in enumerate(texts):
        ids, found = encoded.ids_of(i), encoded.spans_of(i)
        alone = tokenizer.encode([text])
        assert (ids, found) == (alone.ids_of(0), alone.spans_of(0))
        assert all(0 <= a <= b <= len(text) for a, b in found)
        assert found == sorted(found)
        covered = {k for a, b in found for k in range(a, b)}
        lost = {text[k] for k in range(len(text)) if k not in covered}
        # Only a tokenizer that drops or joins white space leaves characters without a token.
        assert not {c for c in lost if not c.isspace()}


def test_golden_tokens(tokenizer_files):
    for name in ("r50k_base", "p50k_base"):
        tokenizer = load_tokenizer(str(tokenizer_files / "openai" / f"{name}.tiktoken"))
        assert tokenizer.encode(["480, 481, 482"]).ids.tolist() == [
            22148, 11, 4764, 16, 11, 4764, 17]  # fmt: skip
        assert tokenizer.encode(["3.14159"]).ids.tolist() == [18, 13, 1415, 19707]
        assert tokenizer.encode(["1600,A,90426708196641,7.091625,"]).ids.tolist() == [
            36150, 11, 32, 11, 24, 3023, 2075, 32583, 25272, 42759, 11, 22, 13, 2931, 1433, 1495,
            11]  # fmt: skip


def test_named_encodings_come_from_the_cache(tokenizer_files, monkeypatch):
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tokenizer_files / "tiktoken_cache"))
    assert load_tokenizer("r50k_base").encode(["480, 481"]).ids.tolist() == [22148, 11, 4764, 16]
    assert load_tokenizer("gpt-4").name == "gpt-4"
    names = [tokenizer.name for tokenizer in default_tokenizers()]
    assert names[0] == "bundled"
    assert {"r50k_base", "cl100k_base"} <= set(names)


def test_threads_give_the_same_tokens(tokenizer_files):
    path = str(tokenizer_files / "openai" / "r50k_base.tiktoken")
    texts = [", ".join(f"{i}.{i}" for i in range(k, k + 300)) for k in range(5)]
    one, two = (load_tokenizer(path, threads=n).encode(texts) for n in (1, 2))
    assert np.array_equal(one.ids, two.ids)


def test_the_bundled_tokenizer_needs_no_path():
    tokenizer = load_tokenizer("bundled")
    assert tokenizer.decode(tokenizer.encode(["0.5"]).ids_of(0)) == "0.5"
    assert tokenizer.special_ids


def test_tokens_of_part_of_a_character_have_its_span(tmp_path):
    backend = small_byte_bpe()
    path = tmp_path / "tokenizer.json"
    backend.save(str(path))
    hugging = load_tokenizer(str(path))
    ranks = load_tokenizer(str(small_ranks(tmp_path / "r.tiktoken")), pattern=PATTERNS["gpt2"])
    for tokenizer in (hugging, ranks):
        assert spans(tokenizer, "é12🙂3") == [(0, 1), (0, 1), (1, 3), *[(3, 4)] * 4, (4, 5)]
    assert spans(hugging, "1 4") == [(0, 1), (1, 3)], "the space belongs to its token"
    assert hugging.token_text(hugging.encode(["é"]).ids_of(0)[0]) == "<0xC3>"


def test_special_tokens_are_recognised_where_the_library_does(tmp_path):
    small_byte_bpe().save(str(tmp_path / "tokenizer.json"))
    tokenizer = load_tokenizer(str(tmp_path))
    encoded = tokenizer.encode(["1<|end|>2"])
    ids, found = encoded.ids_of(0), encoded.spans_of(0)
    assert set(ids) & tokenizer.special_ids
    assert found == [(0, 1), (1, 8), (8, 9)]


def test_vocabulary_and_merges_are_one_tokenizer(tmp_path):
    small_byte_bpe().model.save(str(tmp_path))
    assert load_tokenizer(str(tmp_path)).encode(["12 4"]).ids.tolist() == [256, 257]


def test_tekken_json_is_read(tmp_path):
    vocabulary = [
        {"rank": b, "token_bytes": base64.b64encode(bytes([b])).decode()} for b in range(256)
    ] + [{"rank": 256, "token_bytes": base64.b64encode(b"12").decode()}]
    settings = {"pattern": PATTERNS["tekken"], "default_vocab_size": 1257,
                "default_num_special_tokens": 1000}  # fmt: skip
    path = tmp_path / "tekken_1.json"
    path.write_text(json.dumps({"config": settings, "vocab": vocabulary}))
    tokenizer = load_tokenizer(str(path))
    assert spans(tokenizer, "12") == [(0, 1), (1, 2)], "Tekken splits digits before it merges"


def test_an_unknown_rank_file_needs_its_pattern(tmp_path):
    path = small_ranks(tmp_path / "own.tiktoken")
    with pytest.raises(ConfigError, match=r"split pattern of own\.tiktoken is not known"):
        load_tokenizer(str(path))
    assert load_tokenizer(str(path), pattern=r"\d+|\D").encode(["12"]).ids.tolist() == [256]
    with pytest.raises(ModelError, match="cannot be used as ranks"):
        load_tokenizer(str(path), pattern="(")


@pytest.mark.parametrize("text", ["1 2", "é 2"])
def test_a_split_pattern_that_leaves_characters_out_is_refused(tmp_path, text):
    tokenizer = load_tokenizer(str(small_ranks(tmp_path / "own.tiktoken")), pattern=r"\S+|\n|\t")
    assert tokenizer.encode(["12"]).ids.tolist() == [256]
    with pytest.raises(ModelError, match=rf"its tokens do not spell '{text}'; is the file whole"):
        tokenizer.encode(["12", text])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("tokenizer.json", b'{"model": {"type": "BPE"', "is no JSON"),
        ("tokenizer.json", b'{"model": {"type": "BPE", "vocab": 3}}', "is no tokenizer"),
        ("other.json", b'{"a": 1}', "is no tokenizer: expected"),
        ("tekken.json", b'{"config": {}, "vocab": []}', "is no rank file in JSON"),
        ("a.model", b"\x00\x01 broken", "is no SentencePiece model"),
        ("a.tiktoken", b"hello\n", "neither a WordPiece vocabulary nor a rank file"),
        ("a.model", b"", "a.model is empty"),
        ("vocab.txt", b"one\ntwo\n", "neither a WordPiece"),
    ],
)
def test_a_broken_file_is_one_line(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ModelError, match=message) as caught:
        load_tokenizer(str(path))
    assert "\n" not in str(caught.value)


HOSTILE = {
    "deep.json": b'{"model":' + b"[" * 200_000,
    "deeper.json": b'{"a":' * 100_000,
    "digits.json": b'{"x":' + b"9" * 5_000 + b"}",
    "utf16.json": '{"model": {}}'.encode("utf-16"),
    "dropout.json": b'{"model": {"dropout": 5}}',
    "added.json": b'{"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []},'
                  b' "added_tokens": [{"id": 4000000000, "content": "x", "special": true}]}',
    "ranks.json": b'{"pat_str": "a", "bpe_ranks": "!"}',
    "text.json": b'{"pat_str": "a", "bpe_ranks": "! x AA=="}',
    "number.json": b'{"pat_str": "a", "bpe_ranks": 5}',
    "long.json": b'{"pat_str": "a", "bpe_ranks": "! ' + b"9" * 6_000 + b' AA=="}',
    "tekken.json": b'{"vocab": [], "config": []}',
    "infinite.json": b'{"vocab": [], "config": {"default_vocab_size": 1e999,'
                     b' "default_num_special_tokens": 0, "pattern": "a"}}',
    "pointer.model": b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 5\n",
    "nul.model": b"\x00" * 10_000,
    "claims.model": b"\x0a\xff\xff\xff\xff\x0f",
    "part.tiktoken": b"AA== 0\n",
    "huge.tiktoken": b"AA== 99999999999999999999\n",
    "vocab.txt": b"1\nx[UNK]\n",
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_one_short_line(tmp_path, name, capfd):
    (tmp_path / name).write_bytes(HOSTILE[name])
    with pytest.raises(ModelError) as caught:
        load_tokenizer(str(tmp_path / name), pattern=PATTERNS["gpt2"])
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) <= 300
    assert name in str(caught.value)
    assert capfd.readouterr().err == "", "nothing is written by the library"


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (lambda own: own[:-1], "it lacks 1 of the 256 bytes, the first is 0xFF"),
        (lambda own: own[1:], "it lacks 1 of the 256 bytes, the first is 0x00"),
        (lambda own: [*own, "YWI= 7"], "two tokens have one rank"),
        (lambda own: [*own, "YWI= 4294967295"], "a rank is 4294967295, expected 16777215 at most"),
    ],
)
def test_ranks_that_cannot_encode_every_text_are_refused(tmp_path, lines, why, capfd):
    path = small_ranks(tmp_path / "own.tiktoken", extra=())
    path.write_text("\n".join(lines(path.read_text().splitlines())) + "\n")
    with pytest.raises(ModelError, match=f"own.tiktoken cannot be used as ranks: {why}"):
        load_tokenizer(str(path), pattern=PATTERNS["gpt2"])
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("pattern", ["a*", "(", "(a+)+$|"])
def test_a_pattern_that_cannot_split_is_one_line(tmp_path, capfd, pattern):
    path = small_ranks(tmp_path / "own.tiktoken")
    with pytest.raises(ModelError, match=r"own\.tiktoken cannot be used as ranks"):
        load_tokenizer(str(path), pattern=pattern)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("token", [4_294_967_295, -1, 1.5, None, "x"])
@pytest.mark.parametrize("name", ["tokenizer.json", "vocab.json"])
def test_ids_beyond_any_vocabulary_are_one_line(tmp_path, name, token):
    """The library would make a table of so many places."""
    small_byte_bpe().save(str(tmp_path / "tokenizer.json"))
    small_byte_bpe().model.save(str(tmp_path))
    settings = json.loads((tmp_path / name).read_text())
    (settings if name == "vocab.json" else settings["model"]["vocab"])["3"] = token
    (tmp_path / name).write_text(json.dumps(settings))
    with pytest.raises(ModelError, match=f"{name} is no tokenizer .*is no id; expected 0 to 167"):
        load_tokenizer(str(tmp_path / name))


def test_an_id_beyond_any_vocabulary_is_looked_up_by_no_array():
    pieces = Pieces(lambda token: b"x")
    with pytest.raises(ModelError, match="a token has the id 16777216; expected 16777215 at most"):
        pieces.lengths(np.array([3, LARGEST_ID + 1]))


def test_a_text_that_a_tokenizer_cannot_encode_is_one_line(tmp_path):
    settings = {"model": {"type": "WordPiece", "vocab": {"1": 0}, "unk_token": "[UNK]",
                          "continuing_subword_prefix": "##", "max_input_chars_per_word": 9},
                "version": "1.0", "added_tokens": []}  # fmt: skip
    (tmp_path / "tokenizer.json").write_text(json.dumps(settings))
    with pytest.raises(ModelError, match=r"cannot encode: WordPiece error: Missing \[UNK\]"):
        load_tokenizer(str(tmp_path)).encode(["2"])


def test_dropout_of_a_tokenizer_is_switched_off(tmp_path):
    """With it, a tokenizer splits a text in another way each time."""
    settings = json.loads(small_byte_bpe().to_str())
    settings["model"]["dropout"] = 0.5
    (tmp_path / "tokenizer.json").write_text(json.dumps(settings))
    whole = tokenizers.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    text = "12 4 " * 50
    assert len({tuple(whole.encode(text).ids) for _ in range(20)}) > 1
    encoded = [load_tokenizer(str(tmp_path)).encode([text]).ids.tolist() for _ in range(20)]
    assert encoded == [small_byte_bpe().encode(text).ids] * 20


def test_a_broken_rank_line_is_named(tmp_path):
    path = small_ranks(tmp_path / "own.tiktoken")
    path.write_text(path.read_text() + "cut\n")
    with pytest.raises(ModelError, match="line 259 is no rank line"):
        load_tokenizer(str(path), pattern=".")


def test_nowhere_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelError, match="no such file"):
        load_tokenizer("missing/folder/tokenizer.json")
    with pytest.raises(ModelError, match="no tokenizer 'some-organisation/no-model'"):
        load_tokenizer("some-organisation/no-model")
    with pytest.raises(ModelError, match="should hold one tokenizer file and holds none"):
        load_tokenizer(str(tmp_path))


def test_tiktoken_without_cache_and_network_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))

    def refuse(*_):
        raise OSError("no network")

    monkeypatch.setattr("tiktoken.load.read_file", refuse)
    tiktoken.registry.ENCODINGS.pop("p50k_edit", None)
    with pytest.raises(ModelError, match="neither in its cache nor to be had from the network"):
        load_tokenizer("p50k_edit")


def test_mistral_needs_its_extra(monkeypatch):
    with pytest.raises(ConfigError, match="choose from mistral:v1"):
        load_tokenizer("mistral:v99")
    monkeypatch.setitem(sys.modules, "mistral_common", None)
    monkeypatch.setattr("tokenization_study.tokenizers.places.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"pip install 'sensor2llm\[mistral\]'"):
        load_tokenizer("mistral:v3")


@pytest.mark.parametrize("version", ["v1", "v3", "v7", "tekken"])
def test_mistral_files_come_with_the_extra(version):
    pytest.importorskip("mistral_common")
    tokenizer = load_tokenizer(f"mistral:{version}")
    pieces = ["480"[a:b] for a, b in spans(tokenizer, "480") if b > a]
    assert pieces == ["4", "8", "0"]


def test_labels_tell_tokenizers_apart(tmp_path):
    small_byte_bpe().save(str(tmp_path / "tokenizer.json"))
    one, two = (load_tokenizer(f"{label}={tmp_path}") for label in "ab")
    assert (one.name, two.name) == ("a", "b")
    with pytest.raises(ConfigError, match="two tokenizers are called 'a'"):
        check_names([one, one])
    with pytest.raises(ConfigError, match="at least one"):
        check_names([])


def test_a_panic_of_a_library_is_one_line_and_writes_nothing(tmp_path, capfd):
    """Merges of pieces that the vocabulary spells otherwise end the library."""
    small_byte_bpe().model.save(str(tmp_path))
    (tmp_path / "merges.txt").write_text("#version: 0.2\n1 2 3\n\xe9 \n1\n")
    with pytest.raises(
        ModelError, match=r"vocab\.json is no tokenizer \(.*\); is the file whole\?"
    ):
        load_tokenizer(str(tmp_path / "vocab.json"))
    with (
        pytest.raises(ModelError, match=r"^before KeyError .x. after$"),
        library_call("before KeyError ", " after"),
    ):
        raise KeyError("x")
    with pytest.raises(ModelError, match=r"^before Panic! after$"):
        _panic()
    assert capfd.readouterr().err == ""
    with pytest.raises(KeyboardInterrupt), library_call(""):
        raise KeyboardInterrupt
    os.write(2, b"again\n")
    assert capfd.readouterr().err == "again\n"


@library_call("before ", " after")
def _panic():
    os.write(2, b"thread panicked\n")
    raise BaseException("Panic!")
