"""The newest versions that pyproject.toml allows: is the suite green with them?

    make test-newest

It runs in an environment of its own that holds them, and writes a table: each requirement with its
range, the locked version, the newest one that is allowed and the newest there is; then the tests
that break. A release that breaks something gets an upper bound in pyproject.toml.
"""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "benchmarks" / "results" / "newest" / "README.md"
LOCKED = re.compile(r"^[\w.-]+==[^\\\n]+", re.MULTILINE)
BROKEN = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)


class PackageRow(NamedTuple):
    """Hold one requirement's versions."""

    name: str
    allowed: str
    locked: str
    newest: str
    there_is: str


def requirements(project: Mapping[str, object]) -> list[Requirement]:
    """Give what the package and its extra `all` ask for, torch left out."""
    extras = project["optional-dependencies"].values()  # type: ignore[attr-defined]
    texts = [*project["dependencies"], *(t for some in extras for t in some)]  # type: ignore[misc]
    return [r for r in map(Requirement, texts) if r.name not in ("sensor2llm", "torch")]


def rows(wanted: Sequence[Requirement], lock: str, newer: Mapping[str, str]) -> list[PackageRow]:
    """Give a row a requirement.

    Args:
        wanted: names and ranges.
        lock: text of requirements.lock; of several versions, the one for this Python counts.
        newer: by name, a release that there is and that is not installed.
    """
    lines = map(Requirement, LOCKED.findall(lock))
    locked = {
        canonicalize_name(line.name): str(line.specifier).removeprefix("==")
        for line in lines
        if line.marker is None or line.marker.evaluate()
    }
    made = []
    for requirement in wanted:
        name = canonicalize_name(requirement.name)
        here = version(name)
        made.append(
            PackageRow(name, _range(requirement), locked[name], here, newer.get(name, here))
        )
    return made


def _range(requirement: Requirement) -> str:
    return ",".join(sorted(map(str, requirement.specifier), reverse=True))


def table(
    made: Sequence[PackageRow], torch: str, ran: str, ended: str, broken: Sequence[str]
) -> str:
    """Write the table, and what breaks."""
    head = ("requirement", "allowed", "locked", "newest allowed", "newest there is")
    lines = [
        "# The newest versions that are allowed", "", f"    {ran}", "",
        f"Python {sys.version.split()[0]}, torch {torch} (left alone).", "",
        "| " + " | ".join(head) + " |", "| --- " * len(head) + "|",
        *("| " + " | ".join(row) + " |" for row in made), "", f"Tests: {ended}.",
    ]  # fmt: skip
    for row in made:
        if row.there_is != row.newest:
            inside = SpecifierSet(row.allowed).contains(row.there_is)
            by = "what another package asks for" if inside else f"`{row.allowed}`"
            lines.append(f"- {row.name} {row.there_is} is held back by {by}.")
    lines += [f"- breaks: `{name}`" for name in broken]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Run the suite with what is installed here, and write the table; the suite's exit code."""
    words = sys.argv[1:]
    suite = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *words], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    print(suite.stdout, end="")
    ask = [sys.executable, "-m", "pip", "list", "--outdated", "--format", "json"]
    outdated = json.loads(subprocess.check_output(ask, text=True))
    newer = {canonicalize_name(one["name"]): one["latest_version"] for one in outdated}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    made = rows(requirements(project), lock, newer)
    ran = " ".join(["make test-newest", *(["TESTS='" + " ".join(words) + "'"] if words else [])])
    ended = suite.stdout.strip().splitlines()[-1].strip("= ")
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(table(made, version("torch"), ran, ended, BROKEN.findall(suite.stdout)))
    return suite.returncode


if __name__ == "__main__":
    raise SystemExit(main())
