"""A ray cluster for a while: the one that is joined already, one at an address, or one started."""

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

from sensor2llm.errors import DataError


@contextlib.contextmanager
def ray_cluster(workers: int | None, address: str | None) -> Iterator[Any]:
    """Use the cluster that is there, join one, or start one; leave as it was found.

    Returns:
        The module `ray`.

    Raises:
        DataError: ray is not installed, or there is no cluster at the address.
    """
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise DataError('engine ray needs ray: pip install "sensor2llm[ray]"') from error
    if ray.is_initialized():
        yield ray
        return
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        options |= {"num_cpus": workers, "include_dashboard": False}
    try:
        # "local" starts one of our own; without an address ray joins any that it finds here.
        ray.init(address=address or "local", **options)
    except (ConnectionError, RuntimeError) as error:
        if address is None:
            raise
        raise DataError(
            f"no ray cluster at {address!r}; start one with `ray start --head`, or leave "
            "the address out"
        ) from error
    try:
        yield ray
    finally:
        ray.shutdown()
