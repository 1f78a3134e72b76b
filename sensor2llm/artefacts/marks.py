"""Say whether what lies in a run folder was made of the same things as now."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)


def is_marked(mark: Path, key: Mapping[str, Any], what: str) -> bool:
    """Compare a mark that was left when something was finished; log in one line what differs."""
    try:
        written = json.loads(mark.read_text(encoding="utf-8"))
        differing = [name for name in written | key if written.get(name) != key.get(name)]
    except (OSError, ValueError, TypeError):
        return False
    if differing:
        logger.info("%s: made anew, as %s differ", what, ", ".join(differing))
    return not differing
