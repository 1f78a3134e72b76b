"""The house keeps to its limits, and what measures it measures rightly."""

import json

import pytest

from benchmarks import house

HELD = ("circles", "layers", "longest_function", "files_a_folder", "entries", "class_names_twice",
        "readme_lines")  # fmt: skip


@pytest.fixture(scope="module")
def figures():
    return house.measure()


@pytest.mark.parametrize("name", HELD)
def test_the_house_keeps_to_its_limits(figures, name):
    figure = figures[name]
    assert figure["value"] <= house.LIMITS[name], figure.get("where")


def test_the_written_table_is_that_of_the_written_figures():
    figures = json.loads((house.OUT / "house.json").read_text(encoding="utf-8"))
    assert set(figures) == set(house.TITLES)
    assert (house.OUT / "README.md").read_text(encoding="utf-8") == house.table(figures)


def test_a_function_is_measured_without_its_docstring(tmp_path):
    path = tmp_path / "one.py"
    path.write_text(
        'def f(x):\n    """Say.\n\n    More.\n    """\n    return x\n\n\ndef g(): pass\n'
    )
    assert list(house.functions(path)) == [("f", 2), ("g", 1)]


def test_a_class_name_that_stands_for_two_things_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(house, "ROOT", tmp_path)
    for package in ("benchmarks", "sensor2llm"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "one.py").write_text(f"class Twice: ...\nclass Once{package}: ...\n")
    assert house.class_names() == {"Twice": ["benchmarks/one.py", "sensor2llm/one.py"]}


def test_modules_that_import_each_other_are_a_circle(tmp_path, monkeypatch):
    package = tmp_path / "roundabout"
    package.mkdir()
    sources = {"__init__": "", "a": "from roundabout import b", "c": "from roundabout import a"}
    sources["b"] = "def f():\n    from roundabout import a"
    for name, text in sources.items():
        (package / f"{name}.py").write_text(f"{text}\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(house, "WHEEL", ("roundabout",))
    assert house.circles() == [["roundabout.a", "roundabout.b"]]
