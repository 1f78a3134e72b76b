"""Hold a published data set's values against what their units can be."""

import numpy as np
from jaxtyping import Float

from sensor2llm.errors import SpecError
from sensor2llm.signals.ledger.ledger import Ledger
from sensor2llm.signals.ledger.plausible import measured_values
from sensor2llm.signals.spec import Modality


def possible_values(
    where: str,
    values: Float[np.ndarray, "channel sample"],
    modality: Modality,
    ledger: Ledger,
) -> Float[np.ndarray, "channel sample"]:
    """Give the values with NaN for those that their unit cannot have; `ledger` counts them.

    Args:
        where: The file or person, for the error.
        values: NaN is a value that was not measured.
        modality: Whose values they are.
        ledger: Counts the samples with such a value as changed.

    Raises:
        SpecError: For a channel most of which cannot be: it is in another unit.
    """
    try:
        return measured_values(values, modality, modality.channel_names, (), ledger, "samples")
    except SpecError as error:
        raise SpecError(f"{where}: {error}") from error
