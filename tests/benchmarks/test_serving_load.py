"""Malformed requests are the same for a seed; the server's table says what was measured."""

import json
from collections import Counter
from itertools import islice

from benchmarks.robustness.malformed_requests import malformed_requests
from benchmarks.serving_table import serving

CHAT = {"messages": [{"role": "user", "content": [{"type": "sensor", "values": {"x": [1, 2]}}]}]}
CLASSIFY = {"values": {"x": [1, 2]}, "rate_hz": 50}


def test_malformed_requests_are_many_kinds_and_the_same_for_a_seed():
    first, again, other = (
        list(islice(malformed_requests(seed, CHAT, CLASSIFY, b"x\n1\n2\n"), 400))
        for seed in (0, 0, 1)
    )
    assert first == again != other
    paths = Counter(request.path for request in first)
    assert {"/v1/chat/completions", "/classify", "/v1/prompt_embeds", "/v1/files"} <= set(paths)
    assert len({request.method for request in first}) > 4
    well_formed = {json.dumps(body).encode() for body in (CHAT, CLASSIFY)}
    assert sum(request.body in well_formed for request in first) < 20


def test_the_table_says_ratios_and_what_became_of_kills(tmp_path):
    row = {"clients": 32, "requests_per_s": 50.0, "ratio": 0.5, "cpu_ratio": 0.45,
           "median_ms": 100.0, "p99_ms": 250.0, "answered": 1500, "wrong": 0}  # fmt: skip
    ran = {"command": "python -m x", "cores": 2, "load_average_before": [1.0, 1.0, 1.0]}
    kills = {"kills": 3, "answered": 90, "wrong": 0, "ids_twice": 0, "died": 12, **ran}
    malformed = {"requests": 500, "statuses": {"400": 480, "no answer": 20}, "tracebacks": 0,
                 "growth": 0.001, **ran}  # fmt: skip
    used = {"requests": 1000, "memory_mib": [600.2, 606.3], "growth": 0.0102, "wrong": 0, **ran}
    parts = {"speed, a": {"adapter": "a", "rows": [row], **ran}, "kills": kills,
             "malformed": malformed, "memory": used}  # fmt: skip
    path = tmp_path / "load.json"
    assert serving(path) == ""
    path.write_text(json.dumps(parts))
    lines = serving(path).splitlines()
    assert lines[2] == "| `a` | 32 | 50.0 | 0.50 | 0.45 | 100 | 2.5 | 1,500, 0 |"
    assert lines[4] == (
        "Killed and started again 3 times under 8 clients: 90 answers, 0 wrong, 0 twice; 12 "
        "requests died with the server and were asked again."
    )
    assert lines[5] == (
        "500 malformed requests: 480 400, 20 no answer; 0 tracebacks; memory from a tenth of them "
        "to all +0.1%."
    )
    assert lines[6] == (
        "Memory after 20 requests 600 MiB, after 1,000 606 MiB (+1.0%); 0 answers were wrong."
    )
    assert lines[-1] == "    python -m x    # 2 cores, load 1.0"
