"""Read text tables of an export in pieces; memory holds a piece at a time."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

import pyarrow as pa
from pyarrow import csv

from sensor2llm.datasets.exports.samples.files import ExportFile
from sensor2llm.errors import DataError

BLOCK_BYTES = 1 << 20


def read_table(
    file: ExportFile,
    types: Mapping[str, pa.DataType],
    *,
    names: Sequence[str] | None = None,
    skip_rows: int = 0,
    delimiter: str = ",",
    decimal: str = ".",
) -> Iterator[pa.RecordBatch]:
    """Read some columns of a table in pieces.

    Args:
        file: Where it stands.
        types: The columns that are wanted, and what they hold; an empty cell of numbers is null.
        names: The names of all columns where the file has no header.
        skip_rows: Lines before the table.
        delimiter: What stands between two cells.
        decimal: The decimal mark.

    Raises:
        DataError: For a missing column, a cell of another kind, or lines of different widths.
    """
    with file.open() as stream:
        try:
            yield from csv.open_csv(
                pa.PythonFile(stream, mode="r"),
                csv.ReadOptions(
                    column_names=list(names) if names else None,
                    skip_rows=skip_rows,
                    block_size=BLOCK_BYTES,
                    use_threads=False,
                ),
                csv.ParseOptions(delimiter=delimiter),
                csv.ConvertOptions(
                    column_types=dict(types), include_columns=list(types), decimal_point=decimal
                ),
            )
        except pa.ArrowException as error:
            fault = str(error).strip('"').splitlines()[0][:120]
            raise DataError(
                f"{file.name}: {fault}; expected columns {', '.join(types)[:80]}; export it again"
            ) from error


def date_seconds(text: str) -> float:
    """Give seconds since 1970 of a date time with a zone; without one it is taken as it stands.

    Raises:
        ValueError: For anything else.
    """
    moment = datetime.fromisoformat(text)
    return moment.timestamp() if moment.tzinfo else wall_seconds(moment)


def wall_seconds(moment: datetime) -> float:
    """Give seconds since 1970 of what a clock shows, whatever its zone."""
    passed = moment.replace(tzinfo=None) - datetime(1970, 1, 1)
    return passed.total_seconds()
