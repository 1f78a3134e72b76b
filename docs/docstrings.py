"""Turn docstrings, which are written to be read in an editor, into reStructuredText.

An indented block or a table of pipes is shown as it is; a name between backticks is code; what
else reStructuredText would take for markup is text.
"""

import re
from collections.abc import Iterator

SECTIONS = ("Args:", "Attributes:", "Raises:", "Returns:", "Yields:", "Example:", "Examples:")
CODE = re.compile(r"``[^`]+``|`([^`]+)`", re.DOTALL)
ITEM = re.compile(r"([-*]|\d+\.) ")


def convert(lines: list[str]) -> list[str]:
    """Give a docstring's lines as reStructuredText; sections such as `Args:` stay as they are."""
    return "\n".join(_blocks(lines)).split("\n")


def _blocks(lines: list[str]) -> Iterator[str]:
    text: list[str] = []
    literal = section = item = False
    for line in [*lines, ""]:
        indented = line.startswith(" ")
        if line.strip() and not indented:
            if ITEM.match(line) and not item and text and text[-1]:
                text.append("")
            section, item = line.strip() in SECTIONS, bool(ITEM.match(line))
        table = line.startswith("|")
        block = bool(line.strip()) and (table or (indented and not section and not item))
        if line.startswith(">>>"):
            section = True  # what an example prints may be indented
        if block and not literal:
            yield from (*_inline(text), "", "::", "")
            text = []
        elif literal and line.strip() and not block:
            yield ""
        literal = block or (literal and not line.strip())
        if literal:
            yield f"    {line}"
        else:
            text.append(line)
    yield from _inline(text)


def _inline(lines: list[str]) -> list[str]:
    """Mark code as code, paragraph by paragraph, and escape the rest; leave examples alone."""
    return "\n\n".join(
        text if ">>>" in text else _escaped(text) for text in "\n".join(lines).split("\n\n")
    ).split("\n")


def _escaped(text: str) -> str:
    pieces, end = [], 0
    for match in CODE.finditer(text):
        code = match[0] if match[1] is None else f"``{match[1].strip()}``"
        pieces += [_plain(text[end : match.start()]), code]
        end = match.end()
    return "".join([*pieces, _plain(text[end:])])


def _plain(text: str) -> str:
    return re.sub(r"(?<=\w)_(?=\W|$)", r"\\_", re.sub(r"([|*`])", r"\\\1", text))
