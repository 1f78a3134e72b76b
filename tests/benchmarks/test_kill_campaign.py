"""The kill campaign, short: verbs that are killed leave the old or the new; a bad writer is caught.

`make kill-test` runs all of it.
"""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
# A writer that writes in place, as is natural, and wrong.
IN_PLACE = """
    import contextlib, sys
    from benchmarks.robustness import kill_campaign
    from sensor2llm.signals.store import store

    @contextlib.contextmanager
    def in_place(path, carried):
        path.mkdir(exist_ok=True)
        yield path

    store.replace_folder = in_place
    sys.exit(kill_campaign.main(sys.argv[1:]))
"""


def campaign(*words: str, script: str | None = None) -> subprocess.CompletedProcess[str]:
    start = (
        ["-c", textwrap.dedent(script)] if script else ["-m", "benchmarks.robustness.kill_campaign"]
    )
    command = [sys.executable, *start, *words]
    return subprocess.run(
        command,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONWARNINGS": ""},
    )


def test_killed_verbs_leave_the_old_or_the_new_and_go_on_to_the_same_end(tmp_path):
    words = ("--kills", "4", "--only", "prepare", "train_adapter", "--out", str(tmp_path))
    done = campaign(*words)
    assert done.returncode == 0, done.stderr
    kills = json.loads((tmp_path / "kills.json").read_text())["kills"]
    assert len(kills) >= 6
    for kill in kills:
        assert set(kill["pieces"].values()) <= {"old", "new"}
        assert kill["resumed"] == "equal"
    assert "| all | " in (tmp_path / "README.md").read_text()


def test_a_writer_that_writes_in_place_does_harm(tmp_path):
    done = campaign("--kills", "4", "--only", "prepare", "--out", str(tmp_path), script=IN_PLACE)
    assert done.returncode == 1, done.stderr
    assert "did harm" in done.stdout
    assert "- prepare, saving " in (tmp_path / "README.md").read_text()
