"""What makes a row of `llm_families` right, refused or wrong, and how it is shown."""

from dataclasses import dataclass, field

WITHIN = 1e-4


@dataclass
class Check:
    """Hold what a row was found to be."""

    name: str
    shortcuts: dict[str, bool] = field(default_factory=dict)
    encoded: float | None = None
    text: float | None = None
    padded: float | None = None
    texts_equal: bool | None = None
    system_read: bool | None = None
    frozen: bool | None = None
    notes: list[str] = field(default_factory=list)
    refused: str | None = None
    failed: str | None = None
    positions: int = 0
    window: int | None = None
    seconds: float = 0.0

    @property
    def right(self) -> bool:
        """Say whether everything is as it should be."""
        far = (self.encoded, self.text, self.padded)
        return (
            not self.failed
            and not self.notes
            and all(off is not None and off <= WITHIN for off in far)
            and all((self.texts_equal, self.system_read, self.frozen))
        )

    @property
    def verdict(self) -> str:
        """Say right, refused or wrong."""
        if self.refused is not None:
            one_line = "\n" not in self.refused and len(self.refused) <= 300 and not self.notes
            return "refused" if one_line else "WRONG"
        return "right" if self.right else "WRONG"


HEAD = ("model", "scores of vectors", "scores of text", "padded against single", "greedy text",
        "frozen", "goes without", "verdict")  # fmt: skip
WORDS = {"prefix": "cached prefix", "padding": "padding",
         "padded_prefix": "padding behind a prefix", "tree": "label tree",
         "padded_tree": "label tree of padded rows", "steps": "cached steps",
         "generate": "transformers' generate"}  # fmt: skip


def cells(check: Check) -> tuple[str, ...]:
    """Give a row of the table."""
    if check.refused is not None or check.failed is not None:
        line = (check.refused or check.failed or "").replace("|", "\\|")
        return (check.name, *("–",) * 5, line, check.verdict)
    lost = [WORDS[name] for name, holds in check.shortcuts.items() if not holds]
    far = [f"{off:.1e}" for off in (check.encoded, check.text, check.padded) if off is not None]
    yes = [{True: "same", False: "OTHER"}[bool(same)] for same in (check.texts_equal, check.frozen)]
    return (check.name, *far, *yes, ", ".join(lost) or "nothing", check.verdict)


def table(checks: list[Check], command: str) -> str:
    """Write the results as Markdown."""
    verdicts = [check.verdict for check in checks]
    counts = ", ".join(f"{verdicts.count(v)} {v}" for v in ("right", "refused", "WRONG"))
    lines = ["| " + " | ".join(row) + " |"
             for row in (HEAD, ("---",) * len(HEAD), *map(cells, checks))]  # fmt: skip
    about = (
        f"{len(checks)} families and layouts: {counts}. Scores: the largest difference of a "
        f"label's score from a plain forward's, in nats, float32; above {WITHIN:g} is wrong."
    )
    return "\n".join([about, "", *lines, "", f"    {command}", ""])
