"""What many windows are asked, as columns: some hundred bytes an item instead of some objects."""

import json
from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
from jaxtyping import Int

from sensor2llm.adapter.batches import Request

AT_ONCE = 4096
"""Requests that are objects at a time while all are gone through."""
COLUMNS = pa.schema(
    {
        "task": pa.dictionary(pa.int32(), pa.string()),
        "template_values": pa.dictionary(pa.int32(), pa.string()),
        "answer": pa.dictionary(pa.int32(), pa.string()),
        "number": pa.float64(),
        "paraphrase": pa.int32(),
    }
)


class RequestTable:
    """Hold requests; each is made when it is read.

    Args:
        table: of `COLUMNS`; the values of a template's variables are JSON.

    Example:
        >>> table = RequestTable.build([Request("question_answering", {"question": "Why?"})])
        >>> table[0].template_values
        {'question': 'Why?'}
    """

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    @classmethod
    def build(cls, requests: Iterable[Request]) -> "RequestTable":
        """Turn requests into columns; a text that several have is held once."""
        rows = [
            vars(r) | {"template_values": json.dumps(dict(r.template_values))} for r in requests
        ]
        columns = {name: [row[name] for row in rows] for name in COLUMNS.names}
        return cls(pa.table(columns, schema=COLUMNS))

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, item: int) -> Request:
        (request,) = self._requests(self.table.slice(int(item), 1))
        return request

    def __iter__(self) -> Iterator[Request]:
        for start in range(0, len(self), AT_ONCE):
            yield from self._requests(self.table.slice(start, AT_ONCE))

    def take(self, items: Int[np.ndarray, " chosen"]) -> "RequestTable":
        """Give some of the requests."""
        return RequestTable(self.table.take(pa.array(items)))

    @staticmethod
    def _requests(table: pa.Table) -> list[Request]:
        rows = table.to_pylist()
        return [Request(**{**r, "template_values": json.loads(r["template_values"])}) for r in rows]
