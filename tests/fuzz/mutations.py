"""Seeded changes of small files: bytes, lines, cells, values of YAML and JSON, arrays."""

import copy
import gzip
import io
import json
import random
import re
import struct
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import yaml

Files = dict[str, bytes]
"""Path below the folder -> content."""
BYTES = (b"\x00", b"\xff", b"\xff\xfe", b"\xef\xbb\xbf", b"\r\n", b"\n", b"\x1a", b"\x00" * 64,
         b"\xed\xa0\x80", b"\x1b[2J", b",", b";", b"\t", b'"', b"<|signal|>")  # fmt: skip
CELLS = ("", "NaN", "nan", "inf", "-inf", "1e308", "-1e308", "1e400", "1e-320", "-1", "0", "0.5",
         "1,5", "0x10", "None", "null", "?", "-999", "9" * 20, "9" * 400, "9" * 5000, "1_000",
         "٣", "½", "−1", "+", "-", ".", "e", "1.2.3", "2023-01-01", "2023-13-45T99:99",
         "4294967296", "2147483648", "65536", "255", "True", "x" * 300, "\ud800", "<|soft|>",
         "=1+1", "'", '"', "`", "1e6", "1e12", "99999")  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, -1, 0, 1, 2, 2**31, 2**63, 10**30, 1e308, float("inf"), float("nan"), 0.5,
    1e-9, "", "x", "x" * 5000, "[[[", "{a: 1}", "../../etc/passwd", "/dev/zero", "\ud83d", "a\x00b",
    [], {}, [1], ["a", "b"], [[]], {"a": 1}, {"": None}, [None] * 50, "<|signal|>", "{{ 1/0 }}",
    "{{ 'x' * 3000000000 }}", "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}"
    "{% endfor %}", "2001-99-99", "1e400", "null",
)  # fmt: skip
NUMBER = re.compile(rb"-?\d+\.?\d*(?:[eE][+-]?\d+)?")


def mutate(files: Files, random_: random.Random) -> Files:
    """Change some of a folder's files in one to four ways."""
    files = dict(files)
    for _ in range(random_.choice((1, 1, 1, 2, 2, 4))):
        name = random_.choice(sorted(files))
        way = random_.choice([*_ways(name), *(_whole,) * (random_.random() < 0.1)])
        if way is _whole:
            _whole(files, name, random_)
        elif files[name]:
            try:
                files[name] = way(files[name], random_)
            except Exception:  # what was changed before is no YAML, no array, no header any more
                files[name] = _bytes(files[name], random_)
        if not files:
            break
    return files


def _ways(name: str) -> list[Callable[[bytes, random.Random], bytes]]:
    suffix = name.rpartition(".")[2]
    ways = [_bytes]
    if suffix in ("csv", "txt", "dat", "log", "hea", "tiktoken", "yaml", "json"):
        ways += [_text, _text]
    if suffix == "yaml":
        ways += [_yaml] * 4
    if suffix == "json":
        ways += [_json] * 4
    return ways + {"npz": [_npz] * 3, "gz": [_gzip] * 4, "safetensors": [_safetensors] * 2}.get(
        suffix, []
    )


def _whole(files: Files, name: str, random_: random.Random) -> None:
    """Remove, empty, rename, repeat or exchange a file."""
    content = files[name]
    folder, slash, last = name.rpartition("/")
    change = random_.randrange(5)
    if change == 0:
        del files[name]
    elif change == 1:
        files[name] = b""
    elif change == 2:
        stem = last.replace(random_.choice(last), random_.choice("x1_ é"), 1)
        files[folder + slash + stem] = files.pop(name)
    elif change == 3:
        files[f"{folder}{slash}copy_{last}"] = content
    else:
        files[name] = files[random_.choice(sorted(files))]


def _bytes(content: bytes, random_: random.Random) -> bytes:
    data, change = bytearray(content), random_.randrange(8)
    place = random_.randrange(len(data)) if random_.random() < 0.6 else random_.randrange(
        min(len(data), 300))  # fmt: skip
    end = min(len(data), place + random_.choice((1, 4, 40, 400, len(data))))
    if change == 0:
        del data[place:]
    elif change == 1:
        for _ in range(random_.randrange(1, 12)):
            data[random_.randrange(len(data))] = random_.randrange(256)
    elif change == 2:
        del data[place:end]
    elif change == 3:
        data[place:place] = random_.choice(BYTES)
    elif change == 4:
        data[place:place] = data[place:end] * random_.choice((1, 2, 50))
        del data[1 << 22 :]
    elif change == 5:
        data[place:end] = bytes(end - place)
    elif change == 6:
        form, value = random_.choice(("<i", "<q", ">i", "<H")), random_.choice((-1, 0, 1, 32767))
        data[place : place + struct.calcsize(form)] = struct.pack(form, abs(value))
    else:
        numbers = [m.span() for m in NUMBER.finditer(content[:100_000])]
        if numbers:
            start, stop = random_.choice(numbers)
            data[start:stop] = _cell(random_)
    return bytes(data)


def _cell(random_: random.Random) -> bytes:
    return random_.choice(CELLS).encode("utf-8", "surrogatepass")


def _text(content: bytes, random_: random.Random) -> bytes:
    """Change cells, lines or the encoding of a text."""
    lines, change = content.split(b"\n"), random_.randrange(12)
    row = random_.randrange(len(lines)) if random_.random() < 0.7 else 0
    separator = next((s for s in (b"\t", b";", b",", b" ") if s in lines[row]), b",")
    cells = lines[row].split(separator)
    if change < 4:
        cells[random_.randrange(len(cells))] = _cell(random_)
        lines[row] = separator.join(cells)
    elif change == 4:
        random_.shuffle(lines)
    elif change == 5:
        lines[row:row] = [random_.choice(lines)] * random_.choice((1, 3, 500))
    elif change == 6:
        del lines[row : row + random_.choice((1, 5, 100))]
    elif change == 7:
        lines[row] = separator.join([*cells, *cells[-1:] * random_.choice((1, 5000))])
    elif change == 8:
        lines[row] = random_.choice((b"# ", b'"', b"\xff", b"\x00", b"x" * 70_000)) + lines[row]
    elif change == 9:
        other = random_.choice((b",", b";", b"\t", b" ", b"|"))
        lines = [line.replace(separator, other) for line in lines]
    elif change == 10:
        text = content.decode("utf-8", "replace")
        return text.encode(
            random_.choice(("utf-16", "utf-8-sig", "latin-1", "utf-16-le")), "replace"
        )
    else:
        column = random_.randrange(len(cells))
        value, count = _cell(random_), random_.choice((1, len(lines)))
        lines[row : row + count] = [
            separator.join(
                [*(parts := line.split(separator))[:column], value, *parts[column + 1 :]]
            )
            for line in lines[row : row + count]
        ]
    return b"\n".join(lines)


def _paths(plain: Any, lead: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    pairs: Any = ()
    if isinstance(plain, dict):
        pairs = plain.items()
    elif isinstance(plain, list):
        pairs = enumerate(plain[:40])
    for key, value in pairs:
        yield (*lead, key)
        yield from _paths(value, (*lead, key))


def _plain(plain: Any, random_: random.Random) -> Any:
    """Change a value, a key or the nesting somewhere in plain data."""
    paths = list(_paths(plain))
    if not paths or random_.random() < 0.02:
        return random_.choice(VALUES)
    plain, path, change = copy.deepcopy(plain), random_.choice(paths), random_.randrange(8)
    inner = plain
    for key in path[:-1]:
        inner = inner[key]
    last = path[-1]
    if change < 4:
        inner[last] = random_.choice(VALUES)
    elif change == 4:
        del inner[last]
    elif change == 5 and isinstance(inner, dict):
        inner[random_.choice(("", "zz", "a.b", "columns", "1", *inner))] = inner.pop(last)
    elif change == 6:
        inner[last] = [inner[last]] * random_.choice((1, 2, 300))
    elif isinstance(inner[last], int | float):
        inner[last] = inner[last] * random_.choice((-1, 0, 0.5, 1000, 1e6, 1e12))
    else:
        inner[last] = {"a": inner[last]}
    return plain


def _yaml(content: bytes, random_: random.Random) -> bytes:
    plain = yaml.safe_load(content.decode())
    if random_.random() < 0.05:
        aliases = "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 40))
        return content + b"\na0: &a0 [x, x]\n" + aliases.encode()
    if random_.random() < 0.03:
        return content + b"\nz: " + random_.choice((b"[", b"{a: ", b"- ")) * 20_000
    changed = _plain(plain, random_)
    if isinstance(changed, dict) and random_.random() < 0.05:
        changed[random_.choice((1, None, True, 2.5))] = 1
    return yaml.safe_dump(changed, allow_unicode=False).encode()


def _json(content: bytes, random_: random.Random) -> bytes:
    plain = json.loads(content)
    if random_.random() < 0.03:
        return content[:-2] + b', "z": ' + random_.choice((b"[", b'{"a": ')) * 20_000
    return json.dumps(_plain(plain, random_)).encode()


def _npz(content: bytes, random_: random.Random) -> bytes:
    """Change the type, the shape or the values of an array."""
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        arrays = dict(stored)
    name = random_.choice(sorted(arrays))
    value = arrays[name]
    changes: list[Callable[[], np.ndarray]] = [
        lambda: value.astype(random_.choice(("S", "U", "bool", "int16", "float16", "complex64"))),
        lambda: value.reshape(random_.choice(((-1,), (1, *value.shape), (*value.shape, 1)))),
        lambda: value[: random_.randrange(3)],
        lambda: np.full(value.shape, random_.choice((np.nan, np.inf, 1e30, -999, 0))),
        lambda: np.array(random_.choice((1.5, "x", True))),
        lambda: np.zeros((2, 0, 3)),
        lambda: value.astype(object).astype(str).astype("datetime64[s]"),
        lambda: np.broadcast_to(value.ravel()[:1], (300, 40, 40)).copy(),
    ]
    arrays[name] = random_.choice(changes)()
    if random_.random() < 0.2:
        arrays[random_.choice(("labels", "subjects", "starts", "x.unit", "accel.rate_hz"))] = value
    with io.BytesIO() as out:
        save = random_.choice((np.savez, np.savez, np.savez_compressed))
        save(out, **arrays)
        return out.getvalue()


def _gzip(content: bytes, random_: random.Random) -> bytes:
    return gzip.compress(_text(gzip.decompress(content), random_), 1, mtime=0)


def _safetensors(content: bytes, random_: random.Random) -> bytes:
    """Change the header of a file of tensors, its length kept right."""
    (size,) = struct.unpack("<Q", content[:8])
    header = _plain(json.loads(content[8 : 8 + size]), random_)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + content[8 + size :]
