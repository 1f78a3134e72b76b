"""Write the pages that come from the code: command line, API, layers, pitfalls, errors, cards.

Parts of pages go to `generated/parts`, whole pages beside it. A file is written only where its text
changes, so that a second build reads little.
"""

import ast
import contextlib
import io
import json
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

import sensor2llm
from sensor2llm.cli.program import VERBS
from sensor2llm.cli.program import main as program
from tokenization_study.__main__ import main as study_program
from tokenization_study.checks.catalogue import PITFALLS

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("sensor2llm", "tokenization_study")
# Packages for those who change the code: of their modules the first text is shown, not every name.
INTERNAL = (
    *(f"sensor2llm.{name.replace('-', '_')}" for name in VERBS),
    "sensor2llm.archive", "sensor2llm.artefacts", "sensor2llm.cli", "sensor2llm.command",
    "sensor2llm.datasets", "sensor2llm.library_output", "sensor2llm.live", "sensor2llm.llm.checks",
    "sensor2llm.llm.tuning", "sensor2llm.plots", "sensor2llm.recipes",
    "sensor2llm.serving.http", "sensor2llm.serving.tools", "sensor2llm.signals.ledger",
    "sensor2llm.studies", "sensor2llm.training",
    "tokenization_study.comparison", "tokenization_study.reading", "tokenization_study.report",
    "tokenization_study.tokenizers",
)  # fmt: skip
REPORTS = {
    "kills": ("What a kill leaves", "README.md"),
    "mutants": ("", "README.md"),
    "newest": ("", "README.md"),
    "llm_families": ("Families of language models", "table.md"),
}
READER = ROOT / "sensor2llm" / "signals" / "tables"


def write_all(folder: Path) -> None:
    """Write every generated page and part below `folder`."""
    pages = {
        "parts/command_line.md": command_line(),
        "parts/public_names.md": public_names(),
        "parts/packages.md": packages_index(),
        "parts/tree.md": tree(),
        "parts/layers.md": layers(),
        "parts/pitfalls.md": pitfalls(),
        "parts/errors.md": reader_errors(),
        **{f"api/{name}.md": package_page(name) for name in packages()},
        **cards(),
        **reports(),
        **notebooks(),
    }
    for name, text in pages.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    for path in folder.rglob("*.md"):
        if path.relative_to(folder).as_posix() not in pages:
            path.unlink()


def command_line() -> str:
    """Give the whole help of each verb."""
    sections = [f"```text\n{_help(program, [])}\n```"]
    for verb, text in VERBS.items():
        sections.append(f"## {verb.replace('_', '-')}\n\n{text.capitalize()}.")
        sections.append(f"```text\n{whole_help(verb)}\n```")
    for verb in ("audit", "compare"):
        sections.append(f"## tokenization_study {verb}")
        sections.append(f"```text\n{_help(study_program, [verb])}\n```")
    return "\n\n".join(sections) + "\n"


def whole_help(verb: str) -> str:
    """Give every option of a verb of `sensor2llm`."""
    return _help(program, [verb])


def _help(main, words: list[str]) -> str:
    """Run a program's `--help-all`, or its `--help` where it has no other."""
    for option in ("--help-all", "--help"):
        stdout = io.StringIO()
        code = 0
        with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(io.StringIO()):
            try:
                code = main([*words, option] if words else [])
            except SystemExit as end:
                code = end.code
        if code in (0, None) and stdout.getvalue().strip():
            return stdout.getvalue().strip().replace(str(ROOT), ".")
    raise RuntimeError(f"{words} has no help")


def public_names() -> str:
    """Give what `sensor2llm` exports, a line each, linked to where it is documented."""
    lines = ["| `sensor2llm.` | what it does |", "|---|---|"]
    for name in sensor2llm.__all__:
        value = getattr(sensor2llm, name)
        role = "class" if isinstance(value, type) else "func"
        first = (value.__doc__ or "").split("\n")[0]
        lines.append(f"| {{py:{role}}}`{name} <{value.__module__}.{name}>` | {first} |")
    return "\n".join(lines) + "\n"


@cache
def public_modules() -> set[str]:
    """Name the modules that `sensor2llm`'s own names come from."""
    return {getattr(sensor2llm, name).__module__ for name in sensor2llm.__all__}


def packages() -> list[str]:
    """Name every package, outer ones first."""
    folders = [path.parent for name in PACKAGES for path in (ROOT / name).rglob("__init__.py")]
    return sorted(".".join(folder.relative_to(ROOT).parts) for folder in folders)


def modules(package: str) -> list[str]:
    """Name a package's own modules."""
    folder = ROOT.joinpath(*package.split("."))
    return sorted(p.stem for p in folder.glob("*.py") if not p.stem.startswith("__"))


def packages_index() -> str:
    """Give the list of packages as a table of contents."""
    lines = [f"generated/api/{name}" for name in packages()]
    return "\n".join(["```{toctree}", ":maxdepth: 1", ":caption: Packages", "", *lines, "```", ""])


def package_page(package: str) -> str:
    """Give a page with the documentation of a package's modules."""
    parts = [f".. automodule:: {package}"]
    parts += [
        f".. rubric:: {name}\n\n.. automodule:: {name}"
        + "\n   :members:" * (name in public_modules() or not _is_internal(name))
        for name in (f"{package}.{module}" for module in modules(package))
    ]
    return f"# {package}\n\n```{{eval-rst}}\n" + "\n\n".join(parts) + "\n```\n"


def _is_internal(module: str) -> bool:
    return any(f"{module}.".startswith(f"{name}.") for name in INTERNAL)


def tree() -> str:
    """Give each package's folder, its files and the first line of its docstring."""
    lines = ["| folder | files | what |", "|---|---|---|"]
    for name in packages():
        first = (import_module(name).__doc__ or "").strip().split("\n")[0]
        depth = name.count(".")
        shown = "&emsp;" * depth + f"`{name.rsplit('.', 1)[-1]}/`"
        lines.append(f"| {shown} | {len(modules(name))} | {first} |")
    return "\n".join(lines) + "\n"


def layer_rows() -> list[str]:
    """Read the layers of `sensor2llm`, the highest first, from the contract in pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    return next(contract["layers"] for contract in contracts if contract["type"] == "layers")


def layers() -> str:
    """Give the layers as a table; `:` in the contract joins modules that may import each other."""
    lines = ["| layer | modules |", "|---|---|"]
    for number, row in enumerate(layer_rows(), start=1):
        names = ", ".join(f"`{name.strip()}`" for name in re.split(r"[|:]", row))
        lines.append(f"| {number} | {names}{' (may import each other)' * (':' in row)} |")
    return "\n".join(lines) + "\n"


def pitfalls() -> str:
    """Give every pitfall of the audit: what it is, why it hurts, how it is checked."""
    lines = ["| pitfall | what | why it hurts | how it is checked |", "|---|---|---|---|"]
    for pitfall in PITFALLS.values():
        cells = (f"`{pitfall.id}`", pitfall.definition, pitfall.why, pitfall.how)
        lines.append(f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |")
    return "\n".join(lines) + "\n"


def reader_errors() -> str:
    """Give every message that reading one's own files can end with, from the reader's source."""
    sections = []
    for path in sorted(READER.rglob("*.py")):
        texts = dict.fromkeys(_messages(ast.parse(path.read_text(encoding="utf-8"))))
        if texts:
            name = path.relative_to(READER.parent).as_posix()
            sections.append("\n".join([f"In `{name}`:", "", *(f"- `{text}`" for text in texts)]))
    return "\n\n".join(sections) + "\n"


def _messages(source: ast.Module) -> Iterator[str]:
    for node in ast.walk(source):
        if isinstance(node, ast.Call) and node.args:
            name = ast.unparse(node.func).rsplit(".", 1)[-1]
            if name.endswith("Error") or name == "error":
                text = _template(node.args[-1])
                if " " in text:
                    yield text.replace("`", "'")


def _template(node: ast.expr) -> str:
    """Give a message with its variable places as `…`."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return re.sub("…+", "…", "".join(_template(value) for value in node.values))
    if isinstance(node, ast.BinOp):
        return _template(node.left) + _template(node.right)
    return "…"


def cards() -> dict[str, str]:
    """Give a page a released adapter or encoder: its card, with its pictures."""
    pages = {}
    for path in sorted((ROOT / "adapters").glob("*/README.md")):
        name = path.parent.name
        text = re.sub(r"\A---\n.*?\n---\n", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        pages[f"cards/{name}.md"] = text.replace("](", f"](../../../adapters/{name}/").replace(
            f"](../../../adapters/{name}/http", "](http"
        )
    names = [Path(page).stem for page in pages]
    pages["cards/index.md"] = "\n".join(
        ["# Cards of the released adapters and encoders", "", "```{toctree}", *names, "```", ""]
    )
    return pages


def reports() -> dict[str, str]:
    """Give a page a benchmark whose report other pages link to."""
    pages = {}
    for name, (title, file) in REPORTS.items():
        text = (ROOT / "benchmarks" / "results" / name / file).read_text(encoding="utf-8")
        pages[f"reports/{name}.md"] = f"# {title}\n\n{text}" if title else text
    names = "\n".join(REPORTS)
    pages["reports/index.md"] = f"# Reports of the checks\n\n```{{toctree}}\n{names}\n```\n"
    return pages


def notebooks() -> dict[str, str]:
    """Give a page a notebook: its text, its code and what the code wrote."""
    paths = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
    pages = {f"notebooks/{path.stem}.md": _notebook(path) for path in paths}
    names = [path.stem for path in paths]
    pages["notebooks/index.md"] = "\n".join(["# Notebooks", "", "```{toctree}", *names, "```", ""])
    return pages


def _notebook(path: Path) -> str:
    parts = []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        language = "bash" if source.startswith("!") else "python"
        parts.append(f"```{language}\n{source}\n```")
        for output in cell["outputs"]:
            text = output.get("text") or output.get("data", {}).get("text/plain") or ""
            parts.append(f"```text\n{''.join(text).rstrip()}\n```")
    download = f"The notebook itself: {{download}}`{path.name} <../../notebooks/{path.name}>`."
    return "\n\n".join([*parts, download, ""])
