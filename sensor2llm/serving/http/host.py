"""What routes need of one adapter: the model, its queue, and where uploaded files are."""

from collections.abc import Callable
from dataclasses import dataclass

from sensor2llm.serving.http.batching import BatchQueue
from sensor2llm.serving.http.files import FileShelf
from sensor2llm.serving.served_models import ServedModel


@dataclass(frozen=True)
class ModelHost:
    """Hold an adapter, the queue of its windows, the files, and what counts answers' tokens."""

    served: ServedModel
    queue: BatchQueue
    shelf: FileShelf
    count_tokens: Callable[[int], object]
