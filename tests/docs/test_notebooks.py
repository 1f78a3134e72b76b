"""The notebooks run from an empty folder, and what is kept of them names no place of a machine."""

import re

import nbformat
import pytest

from docs.execute_notebooks import FOLDER, execute

NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def outputs(notebook) -> str:
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return "".join(output.get("text", "") for cell in cells for output in cell.outputs)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_a_notebook_keeps_is_text_without_places_of_a_machine(path):
    notebook = nbformat.read(path, as_version=4)
    assert outputs(notebook)
    assert re.findall(r"/(?:tmp|home|root|usr|opt)/", path.read_text(encoding="utf-8")) == []
    errors = [o for c in notebook.cells for o in c.get("outputs", []) if o.output_type == "error"]
    assert errors == []


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path, tmp_path):
    text = outputs(execute(path, tmp_path))
    expected = {"own_csv": "adapter 1.0", "tokenizer_audit": "tokens a value"}
    assert expected[path.stem] in text
