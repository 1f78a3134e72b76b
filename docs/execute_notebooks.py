"""Run the notebooks of `docs/notebooks` and keep what they wrote.

    python docs/execute_notebooks.py

Each runs in an empty folder of its own. What it prints is kept; progress bars and warnings are not.
"""

import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parent / "notebooks"


def execute(path: Path, folder: Path) -> nbformat.NotebookNode:
    """Run a notebook in `folder` and give it with its outputs.

    Raises:
        nbclient.exceptions.CellExecutionError: If a cell fails.
    """
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=600, kernel_name="python3", resources=resources).execute()
    for cell in notebook.cells:
        cell.metadata = {}
        if cell.cell_type == "code":
            cell.outputs = [x for x in cell.outputs if x.get("name") == "stdout"]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook.metadata = {"kernelspec": kernel}
    return notebook


def main() -> int:
    """Run every notebook and write it back."""
    for path in sorted(FOLDER.glob("*.ipynb")):
        with tempfile.TemporaryDirectory() as folder:
            nbformat.write(execute(path, Path(folder)), path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
