"""Change one place at a time of eleven modules, and see whether the tests nearest to them notice.

python -m benchmarks.robustness.mutants            runs mutmut on, and writes the result
python -m benchmarks.robustness.mutants --report   writes the result of what has run, anew

pyproject.toml names the modules and their tests under [tool.mutmut]. What has run lies in mutants/
and counts as long as those tests stay as they are; changed functions are mutated anew. A mutant
that no test notices needs a reason in benchmarks/mutant_reasons.yaml. Exit code 1: fewer than 85 %
are noticed, something has no reason, or not everything has run.
"""

import argparse
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tokenize
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.machine import record, write

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "mutants"
OUT = ROOT / "benchmarks" / "results" / "mutants"
REASONS = ROOT / "benchmarks" / "mutant_reasons.yaml"
CORES, LINES, SHARE = 2, 1500, 0.85
NOTICED = ("killed", "timeout")
# The report joins verdicts of any order of tests and any machine: no real data, one thread each.
ENVIRONMENT = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "OMP_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Mutant:
    """Hold one change and what came of it; `change` is the text before and after, no line number.

    Args:
        module: file in the repository.
        function: name, with its class.
        change: `old text -> new text` of the changed lines.
        verdict: mutmut's word.
    """

    module: str
    function: str
    change: str
    verdict: str

    @property
    def key(self) -> str:
        """Name the change in the file of reasons."""
        return f"{Path(self.module).stem}.{self.function}: {self.change}"


def settings() -> dict[str, Any]:
    """Read what mutmut is set to."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)["tool"]["mutmut"]


def count_code_lines(source: str) -> int:
    """Count the lines that hold code: blank ones, comments and docstrings apart."""
    lines: set[int] = set()
    begins = True
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in (tokenize.COMMENT, tokenize.NL, tokenize.ENDMARKER):
            continue
        if token.type in (tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT):
            begins = True
            continue
        if not (begins and token.type == tokenize.STRING):
            lines.update(range(token.start[0], token.end[0] + 1))
        begins = False
    return len(lines)


def run() -> None:
    """Run mutmut on what has no verdict yet; other tests than last time begin anew."""
    tests = sorted(
        path
        for path in (ROOT / "tests").rglob("*")
        if path.suffix in (".py", ".json", ".yaml") and "__pycache__" not in path.parts
    )
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in tests)).hexdigest()
    mark = WORK / "tests.sha256"
    if not mark.is_file() or mark.read_text(encoding="utf-8") != digest:
        shutil.rmtree(WORK, ignore_errors=True)
        WORK.mkdir()
        mark.write_text(digest, encoding="utf-8")
    hidden = {name: value for name, value in os.environ.items() if name != "SENSOR2LLM_SHARED"}
    command = [Path(sys.executable).with_name("mutmut"), "run", "--max-children", str(CORES)]
    subprocess.run(command, cwd=ROOT, env=hidden | ENVIRONMENT, check=True)


def collect(modules: Iterable[str]) -> list[Mutant]:
    """Read every mutant's verdict and difference from mutmut's folder."""
    from mutmut.mutation.diff_apply import get_diff_for_mutant
    from mutmut.stats import status_by_exit_code
    from mutmut.utils.format_utils import orig_function_and_class_names_from_key

    mutants = []
    for module in modules:
        meta = json.loads((WORK / f"{module}.meta").read_text(encoding="utf-8"))
        for name, code in meta["exit_code_by_key"].items():
            function, owner = orig_function_and_class_names_from_key(name)
            noticed = status_by_exit_code[code] in NOTICED
            change = "" if noticed else shorten(get_diff_for_mutant(name, path=module))
            title = f"{owner}.{function}" if owner else function
            mutants.append(Mutant(module, title, change, status_by_exit_code[code]))
    return mutants


def shorten(difference: str) -> str:
    """Give a difference's changed lines as `old -> new`, spaces and line numbers left out."""
    lines = difference.splitlines()[2:]
    old, new = (" ".join(" ".join(ln[1:].split()) for ln in lines if ln[:1] == s) for s in "-+")
    return f"{old} -> {new}"


def read_reasons(text: str) -> dict[str, str]:
    """Read the file of reasons: a list of a reason and the mutants that it holds for."""
    return {key: each["reason"] for each in yaml.safe_load(text) for key in each["mutants"]}


def summarise(mutants: Iterable[Mutant], reasons: Mapping[str, str]) -> dict[str, Any]:
    """Count verdicts a module, and give each mutant that was not noticed its reason ("" for none).

    Args:
        mutants: all of them.
        reasons: by `Mutant.key`.
    """
    mutants = list(mutants)
    rows = []
    for module in dict.fromkeys(mutant.module for mutant in mutants):
        source = (ROOT / module).read_text(encoding="utf-8")
        counts = Counter(mutant.verdict for mutant in mutants if mutant.module == module)
        row = {"module": module, "lines": len(source.splitlines())}
        row |= {"lines_of_code": count_code_lines(source), "mutants": counts.total()}
        rows.append(row | {"noticed": sum(counts[verdict] for verdict in NOTICED)} | counts)
    others = [mutant for mutant in mutants if mutant.verdict not in NOTICED]
    return {
        "mutants": len(mutants),
        "noticed": len(mutants) - len(others),
        "lines_of_code": sum(row["lines_of_code"] for row in rows),
        "modules": rows,
        "survivors": [asdict(m) | {"reason": reasons.get(m.key, "")} for m in others],
    }


def write_table(result: Mapping[str, Any]) -> str:
    """Write the result as Markdown: a row a module, then what was not noticed, by its reason."""
    share = result["noticed"] / result["mutants"]
    lines = [
        "# Mutants of ten modules",
        "",
        f"`{result['command']}`, mutmut {result['mutmut']}, Python {result['python']}: "
        f"{result['noticed']} of {result['mutants']} changes noticed ({share:.1%}) in "
        f"{result['lines_of_code']} lines of code (blank ones, comments and docstrings apart).",
        "",
        "| module | lines of code | mutants | noticed | not |",
        "|---|---|---|---|---|",
    ]
    for row in result["modules"]:
        noticed = f"{row['noticed']} ({row['noticed'] / row['mutants']:.1%})"
        left = row["mutants"] - row["noticed"]
        cells = (f"`{row['module']}`", row["lines_of_code"], row["mutants"], noticed, left)
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    lines += ["", "## Not noticed, and why", ""]
    for reason in dict.fromkeys(each["reason"] for each in result["survivors"]):
        lines += [reason or "NO REASON YET", ""]
        lines += [
            f"- `{Path(each['module']).stem}.{each['function']}` ({each['verdict']}): "
            f"`` {each['change']} ``"
            for each in result["survivors"]
            if each["reason"] == reason
        ]
        lines.append("")
    return "\n".join(lines[:-1]) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Run or report; give the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--report", action="store_true", help="write the result of what has run")
    started = os.getloadavg()
    if not parser.parse_args(arguments).report:
        run()
    from importlib.metadata import version

    os.chdir(ROOT)
    reasons = read_reasons(REASONS.read_text(encoding="utf-8"))
    figures = summarise(collect(settings()["only_mutate"]), reasons)
    result = record(
        "benchmarks.robustness.mutants", {"mutmut": version("mutmut"), **figures}, started
    )
    write(result, OUT / "mutants.json")
    (OUT / "README.md").write_text(write_table(result), encoding="utf-8")
    complaints = check(result)
    print("\n".join(complaints or [f"{OUT.relative_to(ROOT)}: {result['noticed']} noticed"]))
    return int(bool(complaints))


def check(result: Mapping[str, Any]) -> list[str]:
    """Say what is wrong with a result of `summarise`, a line each; a missing reason by its key."""
    share, bare = result["noticed"] / result["mutants"], []
    if share < SHARE:
        bare.append(f"{share:.1%} of the mutants are noticed; {SHARE:.0%} are wanted")
    if result["lines_of_code"] > LINES:
        bare.append(f"{result['lines_of_code']} lines of code are mutated; at most {LINES}")
    left = [dict(each) for each in result["survivors"] if not each["reason"]]
    for each in left:
        del each["reason"]
        bare.append(f"no reason: {json.dumps(Mutant(**each).key, ensure_ascii=False)}")
    return bare


if __name__ == "__main__":
    sys.exit(main())
