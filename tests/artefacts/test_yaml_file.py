"""YAML within a budget: read as it is, or refused in one line before anything is built."""

import time

import pytest
import yaml

from sensor2llm.artefacts.yaml_file import MOST_BYTES, check_yaml, read_yaml
from sensor2llm.errors import ConfigError, DataError


def write(tmp_path, content):
    path = tmp_path / "own.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ("a: 1\nb: [x, 2.5, null]\n", {"a": 1, "b": ["x", 2.5, None]}),
        ("", None),
        ("\ufeffa: é\n", {"a": "é"}),
        ("a: &a {x: g}\nb: *a\nc: {<<: *a, y: g}\n",
         {"a": {"x": "g"}, "b": {"x": "g"}, "c": {"x": "g", "y": "g"}}),
        ("a: {x: 1}\nb: {x: 1}\n", {"a": {"x": 1}, "b": {"x": 1}}),
        ("a: a\n", {"a": "a"}),
        ("[" * 60 + "]" * 60, eval("[" * 60 + "]" * 60)),
        ("\n".join(f"k{i}: {i}" for i in range(40_000)), {f"k{i}": i for i in range(40_000)}),
    ],
)  # fmt: skip
def test_what_people_write_is_read(tmp_path, text, content):
    assert read_yaml(write(tmp_path, text), ConfigError) == content


def doubling(row, levels):
    return "a0: &a0 {k: 1}\n" + "".join(row.format(i=i, j=i - 1) for i in range(1, levels))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (doubling("a{i}: &a{i} [*a{j}, *a{j}]\n", 40), "more than 100000 values, aliases counted"),
        (doubling("a{i}: &a{i} {{<<: [*a{j}, *a{j}], k{i}: 1}}\n", 40), "more than 100000 values"),
        (doubling("a{i}: &a{i} {{b: *a{j}, c: *a{j}}}\n", 40), "more than 100000 values"),
        ("\n".join(f"k{i}: {i}" for i in range(60_000)), "more than 100000 values"),
        ("[" * 70 + "]" * 70, "nested deeper than 64"),
        ("{a: " * 50_000, "nested deeper than 64"),
        ("- " * 100_000, "nested deeper than 64"),
        ("[" * 100_000, "exceeded maximum nesting depth"),
        ("a: &a [*a]", r"'\*a' stands for nothing, or for itself"),
        ("a: *b", r"'\*b' stands for nothing, or for itself"),
        ("a: 1\nb: 2\na: 3\n", r"the key 'a' is there twice \(line 3\)"),
        ("m: {x: g, x: deg/s}", r"the key 'x' is there twice \(line 1\)"),
        ("a: " + "9" * 5_000, "4300 digits"),
        ("a: 2001-99-99", "month must be in 1..12"),
        ("? [1, 2]\n: 3", "found unhashable key"),
        ("!!python/object/apply:os.system ['touch PWNED']", "could not determine a constructor"),
        ("a: \x00", "control characters are not allowed"),
        ("a: [1", "did not find expected"),
        (b"a: 1\nb: \xff\n", r"not UTF-8 \(line 2, byte 0xFF\); save it as UTF-8"),
        ("a: 1".encode("utf-16"), "not UTF-8"),
        ("a: " + "x" * MOST_BYTES, "larger than 1 MiB"),
    ],
)
def test_what_cannot_be_is_one_line_at_once(tmp_path, text, why, monkeypatch):
    monkeypatch.chdir(tmp_path)
    start = time.process_time()
    with pytest.raises(DataError, match=f"^own.yaml is no YAML.*{why}") as caught:
        read_yaml(write(tmp_path, text), DataError)
    assert len(str(caught.value)) <= 293
    assert time.process_time() - start < 5
    assert [path.name for path in tmp_path.iterdir()] == ["own.yaml"], "nothing was run"


def test_the_name_in_the_message_is_the_callers(tmp_path):
    with pytest.raises(ConfigError, match=r"^the prompt p is no YAML"):
        read_yaml(write(tmp_path, "["), ConfigError, "the prompt p")


def test_a_missing_file_stays_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_yaml(tmp_path / "none.yaml", ConfigError)


def test_a_text_of_an_option_has_the_same_budget():
    with pytest.raises(yaml.YAMLError, match="larger than 1 MiB"):
        check_yaml("x" * (MOST_BYTES + 1))
