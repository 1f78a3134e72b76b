"""The table of newest versions says what is allowed, what is there, and what breaks."""

from importlib.metadata import version

from packaging.requirements import Requirement

from benchmarks.robustness.newest import BROKEN, rows, table

LOCK = """numpy==1.26.4 ; python_full_version >= '3.11' \\
    --hash=sha256:aa
numpy==1.9.0 ; python_full_version < '3.11' \\
    --hash=sha256:bb
PyYAML==5.0
"""


def test_a_row_has_the_lock_what_is_installed_and_what_is_held_back():
    wanted = [Requirement("numpy>=1.9,<9"), Requirement("pyyaml>=5,<9")]
    numpy, yaml = rows(wanted, LOCK, {"pyyaml": "9.1", "numpy": "8.9"})
    here = version("numpy")
    assert numpy == ("numpy", ">=1.9,<9", "1.26.4", here, "8.9")
    assert yaml == ("pyyaml", ">=5,<9", "5.0", version("pyyaml"), "9.1")
    text = table([numpy, yaml], "2.13", "make test-newest", "3 passed", [])
    assert f"| numpy | >=1.9,<9 | 1.26.4 | {here} | 8.9 |" in text
    assert "- pyyaml 9.1 is held back by `>=5,<9`." in text
    assert "- numpy 8.9 is held back by what another package asks for." in text


def test_what_breaks_has_a_row():
    output = "...F\nFAILED tests/a.py::test_x - AssertionError\nERROR tests/b.py\n1 failed in 2s\n"
    assert BROKEN.findall(output) == ["tests/a.py::test_x", "tests/b.py"]
    text = table([], "2.13", "make test-newest", "1 failed", BROKEN.findall(output))
    assert text.endswith(
        "Tests: 1 failed.\n- breaks: `tests/a.py::test_x`\n- breaks: `tests/b.py`\n"
    )
