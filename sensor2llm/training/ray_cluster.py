"""A ray cluster for a while: the one that is joined already, one at an address, or one started."""

import contextlib
import logging
import math
from collections.abc import Iterator, Mapping
from typing import Any

from sensor2llm.errors import ConfigError, DataError


def check_request(cpus: float | None, gpus: float | None) -> None:
    """Raise ConfigError where a worker cannot ask for so many cores and GPUs."""
    for name, number in (("worker_cpus", cpus), ("worker_gpus", gpus)):
        if number is not None and not 0 < number < math.inf:
            raise ConfigError(f"{name} must be positive, got {number:g}")


def count_workers(ray: Any, request: Mapping[str, float]) -> int:
    """Say for how many workers a cluster's machines have room.

    Args:
        ray: the module, joined to a cluster.
        request: what each worker has for itself: CPU, GPU.

    Raises:
        ConfigError: no machine has room for a single one, which ray would wait for.
    """
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    fits = (min(own.get(kind, 0) // number for kind, number in request.items()) for own in machines)
    if count := int(sum(fits)):
        return count
    most = {kind: max((own.get(kind, 0) for own in machines), default=0) for kind in request}
    texts = (", ".join(f"{n:g} {kind}" for kind, n in of.items()) for of in (request, most))
    raise ConfigError(
        "a worker asks for {} and no machine of the cluster has more than {}; ask for less "
        "(--worker-cpus, --worker-gpus)".format(*texts)
    )


@contextlib.contextmanager
def ray_cluster(cores: int | None, address: str | None) -> Iterator[Any]:
    """Use the cluster that is there, join one, or start one; leave as it was found.

    Args:
        cores: of a cluster that is started; all of the machine's where None.
        address: of the cluster to join; None starts one.

    Returns:
        The module `ray`.

    Raises:
        DataError: ray is not installed, or there is no cluster at the address.
    """
    try:
        import ray
    except ImportError as error:
        raise DataError('engine ray needs ray: pip install "sensor2llm[ray]"') from error
    if ray.is_initialized():
        yield ray
        return
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        options |= {"num_cpus": cores, "include_dashboard": False}
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
