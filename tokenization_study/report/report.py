"""An audit as people get it: its figures, and the pages that are made of them."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from sensor2llm.artefacts.atomic_write import replace_folder
from sensor2llm.errors import DataError
from tokenization_study.report import page, papers
from tokenization_study.report.result import AuditResult

FILES = ("report.json", "report.md", "report.html", "measures.csv", "measures.tex", "pitfalls.csv",
         "pitfalls.tex", "pitfalls.svg", "tokens.svg")  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class AuditReport(AuditResult):
    """Show and save an audit's figures.

    The pages know the figures alone, so what holds them stands below this class.
    """

    def text(self) -> str:
        """Give the summary for a terminal."""
        return "\n".join(
            [f"{self.source.name}: worst severity {self.worst}", *page.summary(self)]
            + [f"{r.tokenizer}: {r.text}." for r in self.recommendations]
        )

    def markdown(self) -> str:
        """Give the report as Markdown."""
        return page.markdown(self)

    def html(self) -> str:
        """Give the report as one HTML page that needs no network."""
        return page.html(self)

    def save(self, folder: str | Path) -> Path:
        """Write the report and what papers take of it (`FILES`); nothing is left half written.

        Raises:
            DataError: If the folder cannot be written, or holds something else.
        """
        target = Path(folder)
        pages = {"report.md": self.markdown(), "report.html": self.html(), **papers.files(self)}
        try:
            check_target(target)
            with replace_folder(target, lambda name: name not in FILES) as part:
                # On one line: a finding's examples and a line's tokens are long lists.
                content = json.dumps(self.to_dict(), ensure_ascii=False) + "\n"
                (part / "report.json").write_text(content, encoding="utf-8")
                for name, text in pages.items():
                    (part / name).write_text(text, encoding="utf-8")
        except OSError as error:
            raise DataError(f"cannot write to {target}: {error.strerror or error}") from None
        return target


def check_target(target: Path) -> None:
    """Raise DataError unless a report may be written at `target`; the audit may take long."""
    there = next(path for path in (target, *target.absolute().parents) if path.exists())
    if there != target and not there.is_dir():
        raise DataError(f"cannot write to {target}: {there} is a file")
    if not os.access(there, os.W_OK):
        raise DataError(f"cannot write to {target}: {there} is not yours to write")
    if target.exists() and not target.is_dir():
        raise DataError(f"cannot write to {target}: it is a file; name a folder")
    if target.is_dir():
        foreign = [p.name for p in sorted(target.glob("*")) if not _may_stand_beside(p)]
        if foreign:
            raise DataError(
                f"{target} holds other files ({', '.join(foreign[:3])}); name an empty folder"
            )


def _may_stand_beside(path: Path) -> bool:
    return path.is_file() and (path.name in FILES or path.name == "README.md")
