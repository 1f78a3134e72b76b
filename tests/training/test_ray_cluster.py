"""What a worker of a ray cluster asks for, and how many of them the machines have room for."""

from types import SimpleNamespace

import pytest

from sensor2llm.errors import ConfigError
from sensor2llm.training.ray_cluster import check_request, count_workers


def cluster(*machines, lost=()):
    nodes = [{"Alive": True, "Resources": own} for own in machines]
    nodes += [{"Alive": False, "Resources": own} for own in lost]
    return SimpleNamespace(nodes=lambda: nodes)


@pytest.mark.parametrize(
    ("request_", "count"),
    [
        ({"CPU": 1}, 6),
        ({"CPU": 3}, 1),
        ({"CPU": 0.5}, 12),
        ({"GPU": 1}, 2),
        ({"GPU": 0.5, "CPU": 2}, 2),
        ({"GPU": 2, "CPU": 4}, 1),
    ],
)
def test_workers_are_as_many_as_each_machine_has_room_for(request_, count):
    """Two cores here and four there hold no worker of five; a lost machine holds none."""
    machines = {"CPU": 4.0, "GPU": 2.0, "memory": 1e9}, {"CPU": 2.0}
    assert count_workers(cluster(*machines, lost=({"CPU": 64.0},)), request_) == count


def test_what_no_machine_has_room_for_is_not_waited_for():
    with pytest.raises(ConfigError) as caught:
        count_workers(cluster({"CPU": 4.0}, {"CPU": 2.0}), {"CPU": 5, "GPU": 0.5})
    assert str(caught.value) == (
        "a worker asks for 5 CPU, 0.5 GPU and no machine of the cluster has more than 4 CPU, "
        "0 GPU; ask for less (--worker-cpus, --worker-gpus)"
    )


@pytest.mark.parametrize("number", [0, -1, float("nan"), float("inf")])
def test_a_worker_asks_for_a_positive_number(number):
    check_request(1, None)
    with pytest.raises(ConfigError, match=f"worker_cpus must be positive, got {number:g}"):
        check_request(number, None)
    with pytest.raises(ConfigError, match=f"worker_gpus must be positive, got {number:g}"):
        check_request(1, number)
