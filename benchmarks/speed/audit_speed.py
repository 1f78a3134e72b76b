"""Time the tokenization audit against the bare tokenizers, and watch its memory.

python -m benchmarks.speed.audit_speed ratio --tokenizers bundled cl100k=FILE --values 1000000
python -m benchmarks.speed.audit_speed text --tokenizers r50k=FILE --values 1000000
python -m benchmarks.speed.audit_speed alone --tokenizers A B C --values 300000 1000000
python -m benchmarks.speed.audit_speed memory --tokenizers A B C D E --values 1000000
python -m benchmarks.speed.audit_speed stream --tokenizers bundled --lines 10000000
python -m benchmarks.speed.audit_speed all --tokenizers A B C --out audit_speed.json

`ratio` encodes the texts of each serialiser with each tokenizer's own batch encoding, then runs
the whole audit (writing numbers as text, counting, checks; tokenizers loaded beforehand) on the
same values with the same tokenizers. `text` does the same with a file of raw lines, where nothing
is written as text. The figure is the quotient of CPU times of this process, one thread: other
work on the machine does not count, and both sides are timed in one process. `ratio_with_writing`
counts the writing of numbers as text, which the bare tokenizer needs as well, on both sides.
`all` measures both for each tokenizer alone and for all together, `alone` for each tokenizer alone
at each number of values.
`memory` and `stream` run the command in a process of its own and read its peak. One JSON object on
stdout, and in the file `--out`.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import record, write

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
STEPS = 128
FORMS = ("plain", "fixed", "digits_spaced")
COMMAND = """
import resource, sys, time
from tokenization_study import main
begin = time.perf_counter()
assert main(sys.argv[1:]) == 0
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(f"{peak} {time.perf_counter() - begin}", file=sys.stderr)
"""


def signal(values: int) -> np.ndarray:
    """Give windows (window, 9, 128) of a noisy periodic signal, float32, about so many values."""
    windows = max(values // (9 * STEPS), 1)
    random = np.random.default_rng(0)
    time_s = np.arange(windows * STEPS).reshape(windows, 1, STEPS) / 50
    phase = random.uniform(0, 6, (1, 9, 1))
    noise = 0.1 * random.normal(size=(windows, 9, STEPS))
    return (np.sin(12 * time_s + phase) + noise).astype(np.float32)


def ratio(names: list[str], forms: list[str], values: int) -> dict[str, object]:
    """Compare the audit's time with the bare encoding of the same texts by the same tokenizers."""
    from tokenization_study.audit import audit
    from tokenization_study.reading.windows import Chunk
    from tokenization_study.reading.written import make_writers
    from tokenization_study.tokenizers.tokenizers import load_tokenizer

    tokenizers = [load_tokenizer(name) for name in names]
    windows = signal(values)
    rows, write_s = [], 0.0
    for form in forms:
        (writer,) = make_writers([form])
        chunk = Chunk(windows=[(window,) for window in windows])
        writer.fit(chunk)
        begin = time.process_time()
        texts = [writer.window_text(window) for window in chunk.windows]
        write_s += time.process_time() - begin
        rows += bare(tokenizers, form, texts)
    begin = time.process_time()
    report = audit(windows, tokenizers, forms, processes=1)
    audit_s = time.process_time() - begin
    assert [m.tokens for m in report.measures] == [row["tokens"] for row in rows]
    return {"values": windows.size, **quotient(rows, audit_s, write_s)}


def text_ratio(names: list[str], values: int) -> dict[str, object]:
    """Compare the audit of a file of raw lines with the bare encoding of its text."""
    from sensor2llm.signals.serialisation.serialise import SERIALISERS
    from tokenization_study.audit import audit
    from tokenization_study.reading.lines import cut_texts
    from tokenization_study.tokenizers.tokenizers import load_tokenizer

    tokenizers = [load_tokenizer(name) for name in names]
    whole = "".join(SERIALISERS["csv"].write(window[:3]) for window in signal(3 * values))
    rows = bare(tokenizers, "as_written", cut_texts(whole))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lines.txt"
        path.write_text(whole, encoding="utf-8")
        begin = time.process_time()
        report = audit(path, tokenizers, ["as_written"], processes=1)
        audit_s = time.process_time() - begin
    return {"values": report.measures[0].values, **quotient(rows, audit_s)}


def bare(tokenizers: list[Any], form: str, texts: list[str]) -> list[dict[str, Any]]:
    """Time each tokenizer's own batch encoding."""
    rows = []
    for tokenizer in tokenizers:
        tokenizer.encode(texts[:1])
        begin = time.process_time()
        tokens = sum(map(len, tokenizer.encode_bare(texts)))
        seconds = round(time.process_time() - begin, 4)
        rows.append(
            {"tokenizer": tokenizer.name, "written": form, "tokens": tokens, "bare_s": seconds}
        )
    return rows


def quotient(rows: list[dict[str, Any]], audit_s: float, write_s: float = 0.0) -> dict[str, Any]:
    """Give the audit's time over the bare encodings', without and with writing the numbers."""
    bare_s = sum(row["bare_s"] for row in rows)
    return {
        "bare": rows, "bare_s": round(bare_s, 4), "write_s": round(write_s, 4),
        "audit_s": round(audit_s, 4), "ratio": round(audit_s / bare_s, 3),
        "ratio_with_writing": round(audit_s / (bare_s + write_s), 3),
    }  # fmt: skip


def every_case(names: list[str], forms: list[str], values: int) -> dict[str, object]:
    """Measure numbers and raw lines, for each tokenizer alone and for all together."""
    cases = [[name] for name in names] + [names]
    return {
        "clock": "CPU seconds of the process",
        "numbers": [ratio(case, forms, values) for case in cases],
        "raw_lines": [text_ratio(case, values) for case in cases],
    }


def alone(names: list[str], forms: list[str], sizes: list[int]) -> dict[str, object]:
    """Measure numbers and raw lines of each tokenizer alone, at each number of values."""
    cases = [(name, values) for values in sizes for name in names]
    return {
        "numbers": [ratio([name], forms, values) for name, values in cases],
        "raw_lines": [text_ratio([name], values) for name, values in cases],
    }


def _peak(arguments: list[str]) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, "audit", *arguments],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    peak, seconds = map(float, done.stderr.split()[-2:])
    return {"peak_mib": round(peak, 1), "seconds": round(seconds, 1)}


def memory(names: list[str], forms: list[str], values: int) -> dict[str, object]:
    """Measure the peak of an audit of many values, tokenizers and serialisers at once."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "values.npz"
        np.savez(path, signal=signal(values))
        peak = _peak([str(path), "--tokenizer", *names, "--serialiser", *forms])
    return {"values": values, "tokenizers": len(names), "serialisers": len(forms), **peak}


def stream(names: list[str], lines: int) -> dict[str, object]:
    """Measure the peaks of a tenth of the lines, and of all of them."""
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        for count in (lines // 10, lines):
            path = Path(folder) / "lines.txt"
            with path.open("w", encoding="utf-8") as file:
                for start in range(0, count, 100_000):
                    rows = range(start, min(start + 100_000, count))
                    file.writelines(f"{50 * i},{i * i % 977 / 97:.3f}\n" for i in rows)
            size = path.stat().st_size / 2**20
            peak = _peak([str(path), "--tokenizer", *names])
            runs.append({"lines": count, "file_mib": round(size, 1), **peak})
    return {"runs": runs}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("ratio", "text", "all", "alone", "memory", "stream"))
    parser.add_argument("--tokenizers", nargs="+", default=["bundled"])
    parser.add_argument("--serialisers", nargs="+", default=list(FORMS))
    parser.add_argument("--values", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--lines", type=int, default=10_000_000)
    parser.add_argument("--out", type=Path, help="JSON file")
    options, started = parser.parse_args(), os.getloadavg()
    names, forms, (values, *_) = options.tokenizers, options.serialisers, options.values
    measures: dict[str, Callable[[], dict[str, object]]] = {
        "ratio": lambda: ratio(names, forms, values),
        "text": lambda: text_ratio(names, values),
        "all": lambda: every_case(names, forms, values),
        "alone": lambda: alone(names, forms, options.values),
        "memory": lambda: memory(names, forms, values),
        "stream": lambda: stream(names, options.lines),
    }
    figures = measures[options.what]()
    result = record("speed.audit_speed", figures, started)
    write(result, options.out)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
