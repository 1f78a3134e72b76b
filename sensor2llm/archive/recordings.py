"""What was named to be labelled: one recording's rows, or an archive's folder."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from sensor2llm.archive.archive import label_archive, needs_folder
from sensor2llm.archive.labelling import Labelling, tell_rows
from sensor2llm.archive.parts import Engine


def label_recordings(
    files: Sequence[Path],
    out: Path | None,
    labelling: Labelling,
    engine: Engine | None,
    *,
    resume: bool,
    as_json: bool,
) -> tuple[str, Callable[[], None]]:
    """Label one recording into a file or a text, several into a folder.

    Args:
        files: recordings, stores, folders of them.
        out: a file for one recording, a folder for several.
        labelling: who labels.
        engine: what spreads several.
        resume: go on with what is in `out`.
        as_json: give the text as one JSON object.

    Returns:
        What came out, as text, and what raises DataError where some could not be read.
    """
    if not (engine or resume or needs_folder(files, out)):
        return tell_rows(labelling, files[0], out, as_json=as_json), lambda: None
    result = label_archive(files, out, labelling, engine=engine, resume=resume)
    text = json.dumps(result.to_dict(), ensure_ascii=False) if as_json else str(result)
    return text, result.check
