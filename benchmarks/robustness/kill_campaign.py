"""Kill verbs at many moments: the old or the new result stands whole, and goes on to the same end.

python -m benchmarks.robustness.kill_campaign                       112 kills of 7 verbs
python -m benchmarks.robustness.kill_campaign --kills 2 --only train_adapter compare

A run in peace is counted first: every file that is opened to be written, renamed, linked, removed
or brought onto the disk is a moment. Then the verb is killed (SIGKILL) before moments drawn from
the saving of its result, from the whole run, and by the clock, each time on a copy of what was
there before. After a kill the result is read back with the product's own readers; then the verb
runs again, or goes on with --resume, and must end as the run in peace did, and leave the same
files. Where it was killed before it had begun, --resume may refuse a former run's checkpoint: then
it is begun anew, as the line says. Verbs run in forks of one process that has imported everything.
"""

import argparse
import json
import os
import random
import shlex
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.machine import record
from benchmarks.robustness.kill_scenarios import (
    OUT,
    Pieces,
    Scenario,
    make_inputs,
    scenarios,
    tiny_llm,
)
from benchmarks.robustness.killed_process import Changes, fork
from sensor2llm.artefacts import atomic_write

RESULTS = Path(__file__).resolve().parents[1] / "results" / "kills"
WARM = (
    "sensor2llm.recipes.train", "sensor2llm.recipes.evaluate", "sensor2llm.pretraining.recipe",
    "sensor2llm.archive.archive", "sensor2llm.studies.report", "sensor2llm.studies.cell",
    "sensor2llm.datasets.simulation.simulate", "sensor2llm.datasets.writing",
    "tokenization_study.comparison.run", "transformers.models.llama.modeling_llama",
)  # fmt: skip


@dataclass
class Kill:
    """One kill and what came of it."""

    verb: str
    moment: str
    """saving, anywhere or clock."""
    at: float
    """Number of the change before which it came, or seconds."""
    event: str = ""
    died: bool = False
    pieces: dict[str, str] = field(default_factory=dict)
    """By piece: old, new, or what is wrong."""
    resumed: str = ""
    """equal, or what is wrong."""
    anew: bool = False
    """Killed before it had begun: --resume refused what the run before had left."""

    @property
    def whole(self) -> bool:
        """Say whether every piece was the old one or the new one."""
        return bool(set(self.pieces.values()) <= {"old", "new"})


def run_command(case: Path, command: str, changes: Changes | None = None) -> int:
    """Run a verb in this process, in a case's folder; a fork does so."""
    from sensor2llm.cli import program as cli
    from tokenization_study import __main__ as study

    os.chdir(case)
    verb, *words = shlex.split(command)
    if changes:
        changes.start()
    code = study.main([verb, *words]) if verb == "compare" else cli.main([verb, *words])
    if code:
        raise RuntimeError(f"{command}: exit code {code}")
    return code


class Campaign:
    """Runs scenarios below a folder."""

    def __init__(self, folder: Path, seed: int):
        self.folder, self.seed, self.log = folder.resolve(), seed, folder.resolve() / "log.txt"

    def prepare(self, wanted: Sequence[Scenario]) -> None:
        """Import what verbs need, and make what these scenarios read."""
        for name in WARM:
            __import__(name)
        case = self.folder / "cases" / "inputs"
        case.mkdir(parents=True)
        texts = [t for s in wanted for t in (*s.before, s.command, *s.files.values())]
        if any("/llm" in text for text in texts):
            fork(lambda: tiny_llm(self.folder / "inputs" / "llm"), self.log)
        make_inputs(texts, lambda command: self._peaceful(case, command))

    def run(self, scenario: Scenario, count: int) -> list[Kill]:
        """Kill one verb at so many moments."""
        base = self.folder / "cases"
        before, peace = base / f"{scenario.name}-before", base / f"{scenario.name}-peace"
        before.mkdir()
        for name, text in scenario.files.items():
            (before / name).write_text(text, encoding="utf-8")
        for command in scenario.before:
            self._peaceful(before, command)
        shutil.copytree(before, peace)
        log, started = self.folder / "changes.txt", time.monotonic()
        self._peaceful(peace, scenario.command, Changes(peace, None, log))
        spent = time.monotonic() - started
        events = log.read_text(encoding="utf-8").splitlines()
        old, new = self._read(scenario, before) if scenario.before else {}, {}
        new = self._read(scenario, peace)
        kills = self._draw(scenario, events, spent, count)
        for number, kill in enumerate(kills):
            case = base / f"{scenario.name}-{number}"
            shutil.copytree(before, case)
            self._strike(scenario, kill, case, (old, new), names(peace))
            shutil.rmtree(case)
            print(f"{kill.verb} {kill.moment} {kill.at:g} ({kill.event}): "
                  f"{', '.join(f'{k} {v}' for k, v in kill.pieces.items()) or 'nothing yet'}; "
                  f"{kill.resumed}", file=sys.stderr, flush=True)  # fmt: skip
        return kills

    def _draw(self, scenario: Scenario, events: list[str], spent: float, count: int) -> list[Kill]:
        rng = random.Random(f"{self.seed} {scenario.name}")
        saving = [i for i, event in enumerate(events) if _is_saving(event)]
        some = max(count // 2, 1)
        drawn = [("saving", i) for i in rng.sample(saving, min(some, len(saving)))]
        drawn += [("anywhere", i) for i in rng.choices(range(len(events)), k=count // 4)]
        kills = [Kill(scenario.name, moment, i, events[i]) for moment, i in sorted(drawn)]
        clock = [rng.uniform(0, spent) for _ in range(count - len(kills))]
        return kills + [Kill(scenario.name, "clock", round(at, 3)) for at in sorted(clock)]

    def _strike(
        self,
        scenario: Scenario,
        kill: Kill,
        case: Path,
        ends: tuple[Pieces, Pieces],
        names_in_peace: list[str],
    ) -> None:
        clock = kill.at if kill.moment == "clock" else None
        changes = Changes(
            case, int(kill.at) if clock is None else None, self.folder / "changes.txt"
        )
        code, _ = fork(lambda: run_command(case, scenario.command, changes), self.log, clock)
        kill.died = code == -signal.SIGKILL
        kill.pieces = self._judge(scenario, case, *ends)
        try:
            kill.anew = self._go_on(scenario, case)
            equal = self._read(scenario, case) == ends[1]
            left = sorted(set(names(case)) ^ set(names_in_peace))
            kill.resumed = "equal" if equal and not left else f"differs; files {left}"
        except RuntimeError as error:
            kill.resumed = str(error)

    def _go_on(self, scenario: Scenario, case: Path) -> bool:
        """Run the verb again; say whether that was refused, in a line that says to begin anew."""
        try:
            self._peaceful(case, scenario.again)
        except RuntimeError:
            if "leave out --resume" not in self.log.read_text(encoding="utf-8"):
                raise
            self._peaceful(case, scenario.command)
            return True
        return False

    def _judge(self, scenario: Scenario, case: Path, old: Pieces, new: Pieces) -> dict[str, str]:
        """Say of every piece which one it is."""
        try:
            pieces = self._read(scenario, case)
        except RuntimeError as error:
            return {"all": str(error)}
        verdicts = {name: "missing" for name in old if name not in pieces}
        for name, piece in pieces.items():
            ends = {"new": new.get(name), "old": old.get(name)}
            verdicts[name] = next((end for end, one in ends.items() if one == piece), "neither")
        return verdicts

    def _read(self, scenario: Scenario, case: Path) -> Pieces:
        """Read a case in a fork, as readers warm up threads that forks do not survive."""
        code, pieces = fork(lambda: scenario.read(case), self.log)
        if code:
            raise RuntimeError(f"cannot be read: {_last_line(self.log)}")
        return dict(pieces)

    def _peaceful(self, case: Path, command: str, changes: Changes | None = None) -> None:
        if fork(lambda: run_command(case, command, changes), self.log)[0]:
            raise RuntimeError(f"{command}: {_last_line(self.log)}")


def names(folder: Path) -> list[str]:
    """Give all files and folders below one, by name."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def _is_saving(event: str) -> bool:
    """Say whether a change is one of the result itself, not of the run beside it."""
    first = event.split(" ", 1)[1].split("/")[0]
    return first in (OUT, f".{OUT}.part", f".{OUT}.lock")


def _last_line(log: Path) -> str:
    return log.read_text(encoding="utf-8").rstrip().rsplit("\n", 1)[-1][-200:]


def table(kills: list[Kill], command: str) -> str:
    """Write what came of the kills as Markdown: a row a verb, and what went wrong."""
    head = ["verb", "kills", "in saving", "anywhere", "by the clock", "old or new, whole",
            "of them new", "went on to the same end", "begun anew"]  # fmt: skip
    lines = [f"    {command}", "", "| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for verb in [*dict.fromkeys(kill.verb for kill in kills), "all"]:
        own = [kill for kill in kills if verb in (kill.verb, "all")]
        moments = [kill.moment for kill in own]
        new = sum(kill.whole and "new" in kill.pieces.values() for kill in own)
        cells = [verb, len(own), *(moments.count(m) for m in ("saving", "anywhere", "clock")),
                 sum(kill.whole for kill in own), new,
                 sum(kill.resumed == "equal" for kill in own),
                 sum(kill.anew for kill in own)]  # fmt: skip
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    wrong = [kill for kill in kills if not (kill.whole and kill.resumed == "equal")]
    lines += ["", *(f"- {k.verb}, {k.moment} {k.at:g} ({k.event}): {k.pieces}; {k.resumed}"
                    for k in wrong)]  # fmt: skip
    return "\n".join(lines).rstrip() + "\n"


def main(argv: list[str] | None = None) -> int:
    """Run the campaign, write kills.json and README.md, and say how many kills did harm."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    choices = scenarios()
    parser.add_argument("--kills", type=int, default=16, help="of each verb")
    parser.add_argument("--only", nargs="+", choices=[s.name for s in choices], help="these verbs")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    options = parser.parse_args(argv)
    started = os.getloadavg()
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        campaign = Campaign(Path(folder), options.seed)
        wanted = [s for s in choices if options.only is None or s.name in options.only]
        campaign.prepare(wanted)
        kills = [kill for scenario in wanted for kill in campaign.run(scenario, options.kills)]
    kills = [kill for kill in kills if kill.died]  # by the clock, some come too late
    harm = sum(not (kill.whole and kill.resumed == "equal") for kill in kills)
    result = record(
        "benchmarks.robustness.kill_campaign", {"kills": [asdict(kill) for kill in kills]}, started
    )
    with atomic_write.update_folder(options.out) as part:
        (part / "kills.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        (part / "README.md").write_text(table(kills, result["command"]), encoding="utf-8")
    print(f"{len(kills)} kills, {harm} did harm -> {options.out}")
    return int(harm > 0)


if __name__ == "__main__":
    sys.exit(main())
