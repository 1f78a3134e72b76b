"""Measure the house: how large it is, and whether it keeps to its limits.

    python -m benchmarks.house    writes benchmarks/results/house/{README.md,house.json}

The architecture page shows the table; tests/benchmarks/test_house.py holds the limits.
"""

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import grimp
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "benchmarks" / "results" / "house"
WHEEL = ("sensor2llm", "tokenization_study")
CLASSES = (*WHEEL, "benchmarks", "research")
LIMITS = {
    "lines": 38_500,
    "circles": 0,
    "layers": 11,
    "longest_file": 300,
    "longest_function": 40,
    "files_a_folder": 16,
    "entries": 37,
    "class_names_twice": 0,
    "readme_lines": 200,
}
TITLES = {
    "lines": "lines of Python in the wheel",
    "files": "files of Python in the wheel",
    "circles": "import circles",
    "layers": "layers",
    "longest_file": "longest file, lines",
    "longest_function": "longest function, lines without its docstring",
    "files_a_folder": "most files in a folder",
    "entries": "entries in sensor2llm/",
    "class_names_twice": "class names that stand for two things",
    "readme_lines": "lines of README",
    "tests": "tests",
}


def sources(*packages: str) -> list[Path]:
    """Give the Python files of packages or folders of the repository."""
    return sorted(path for name in packages for path in (ROOT / name).rglob("*.py"))


def lines(path: Path) -> int:
    """Count a file's lines."""
    return len(path.read_text(encoding="utf-8").splitlines())


def circles() -> list[list[str]]:
    """Give each set of modules that import each other, also inside functions or for types only."""
    graph = grimp.build_graph(*WHEEL, cache_dir=None)
    names = sorted(graph.modules)
    number = {name: i for i, name in enumerate(names)}
    edges = [(i, number[to]) for name, i in number.items()
             for to in graph.find_modules_directly_imported_by(name)]  # fmt: skip
    rows, columns = zip(*edges, strict=True)
    matrix = coo_array(([1] * len(edges), (rows, columns)), shape=(len(names),) * 2)
    _, component = connected_components(matrix, connection="strong")
    sizes = Counter(component.tolist())
    members: dict[int, list[str]] = {one: [] for one, size in sizes.items() if size > 1}
    for name, one in zip(names, component.tolist(), strict=True):
        if one in members:
            members[one].append(name)
    return list(members.values())


def layers() -> int:
    """Count the layers of the contract in pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    return len(next(one["layers"] for one in contracts if one["type"] == "layers"))


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Give each function's name and its lines, its docstring and decorators apart."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            documented = ast.get_docstring(node, clean=False) is not None
            docstring = first.end_lineno - first.lineno + 1 if documented else 0
            yield node.name, node.end_lineno - node.lineno + 1 - docstring


def longest_function() -> tuple[int, str]:
    """Give the lines and the place of the longest function in the wheel."""
    return max(
        (length, f"{path.relative_to(ROOT).as_posix()}, {name}")
        for path in sources(*WHEEL)
        for name, length in functions(path)
    )


def class_names() -> dict[str, list[str]]:
    """Give each class name that is defined more than once, with the files that define it."""
    places: dict[str, list[str]] = {}
    for path in sources(*CLASSES):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(path.relative_to(ROOT).as_posix())
    return {name: files for name, files in places.items() if len(files) > 1}


def measure() -> dict[str, dict[str, Any]]:
    """Give each figure with where it comes from; the count of tests is `count_tests`."""
    files = sources(*WHEEL)
    folders = Counter(path.parent for path in files)
    folder, most = max(folders.items(), key=lambda one: one[1])
    longest = max(files, key=lines)
    length, function = longest_function()
    entries = [p for p in (ROOT / "sensor2llm").iterdir() if p.name != "__pycache__"]
    return {
        "lines": {"value": sum(map(lines, files))},
        "files": {"value": len(files)},
        "circles": {"value": len(circles()), "where": "; ".join(map(", ".join, circles()))},
        "layers": {"value": layers()},
        "longest_file": {"value": lines(longest), "where": longest.relative_to(ROOT).as_posix()},
        "longest_function": {"value": length, "where": function},
        "files_a_folder": {"value": most, "where": folder.relative_to(ROOT).as_posix()},
        "entries": {"value": len(entries)},
        "class_names_twice": {"value": len(class_names()), "where": ", ".join(class_names())},
        "readme_lines": {"value": lines(ROOT / "README.md")},
    }


def count_tests() -> int:
    """Count the tests that pytest collects, slow ones too."""
    words = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-m", "", "-p", "no:randomly"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    (count,) = re.findall(r"^(\d+)(?:/\d+)? tests", done.stdout, re.MULTILINE)
    return int(count)


def table(figures: Mapping[str, Mapping[str, Any]]) -> str:
    """Write the figures beside their limits."""
    rows = ["| | now | limit | where |", "|---|---|---|---|"]
    for name, figure in figures.items():
        limit = f"{LIMITS[name]:,}" if name in LIMITS else ""
        where = f"`{figure['where']}`" if figure.get("where") else ""
        rows.append(f"| {TITLES[name]} | {figure['value']:,} | {limit} | {where} |")
    return "\n".join([*rows, "", "    python -m benchmarks.house", ""])


def main() -> int:
    """Measure and write; exit code 1 where a limit is passed."""
    figures = measure() | {"tests": {"value": count_tests()}}
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "house.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    (OUT / "README.md").write_text(table(figures), encoding="utf-8")
    print(table(figures))
    return int(any(figures[name]["value"] > limit for name, limit in LIMITS.items()))


if __name__ == "__main__":
    sys.exit(main())
