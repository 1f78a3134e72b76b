"""Read a pickle of plain containers and numpy arrays of numbers, written by Python 2 or 3.

A pickle is a program: loading one can do anything to the machine. Here none is loaded. Its steps
are listed by `pickletools`, and the few that build containers, text, numbers and arrays are
followed; what a pickle calls is only ever compared with the names of numpy's own functions, and any
other name or step is an error. What it may build is bounded by the file's size.
"""

import mmap
import pickletools
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np

from sensor2llm.errors import DataError

MAX_STEPS = 100_000  # a person of WESAD takes some 200
_VALUES = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
    "STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE",
    "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
}  # fmt: skip
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_CORE = ("numpy.core.multiarray", "numpy._core.multiarray")
_CALLS = {
    **{(module, name): name for module in _CORE for name in ("_reconstruct", "scalar")},
    ("numpy", "dtype"): "dtype",
    # Only ever an argument of `_reconstruct`: it is not called.
    ("numpy", "ndarray"): "ndarray",
    ("_codecs", "encode"): "encode",
}


def load(path: Path) -> Any:
    """Read a pickle of plain containers and numpy arrays of numbers.

    Returns:
        The containers; an array is a `PickledArray`.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
            return _Machine(len(view)).run(cast(Any, view))
    except DataError as error:
        raise DataError(f"{path.name} {error}") from error
    # A damaged pickle can raise nearly anything.
    except Exception as error:
        raise DataError(
            f"{path.name} is no whole pickle ({type(error).__name__}: {str(error)[:80]}); download "
            "it again"
        ) from error


class PickledArray:
    """Hold an array of numbers that came out of a pickle."""

    values: np.ndarray = np.empty(0)


class _Dtype:
    """Stand for a numpy dtype, of numbers alone."""

    def __init__(self, name: object) -> None:
        self.numpy = np.dtype(str(name)[:8])
        if self.numpy.kind not in "biuf":
            raise DataError(
                f"holds an array of {self.numpy.name[:40]}, not of numbers; the file was not run"
            )


class _Name(str):
    """Stand for a function that a pickle calls."""


_MARK = object()


class _Machine:
    """Follow the steps of a pickle that build plain data."""

    def __init__(self, size: int) -> None:
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._budget = size

    def run(self, view: Any) -> Any:
        """Follow all steps and give what is left."""
        for count, (step, argument, _) in enumerate(pickletools.genops(view)):
            if count > MAX_STEPS:
                raise DataError(f"has over {MAX_STEPS} steps, which no array of numbers takes")
            if step.name == "STOP":
                return self._stack.pop()
            self._follow(step.name, argument)
        raise EOFError("no end")

    def _follow(self, step: str, argument: Any) -> None:
        if step in _VALUES:
            self._stack.append(argument)
        elif step in _CONSTANTS:
            self._stack.append(_CONSTANTS[step])
        elif step in _TUPLES:
            self._stack.append(tuple(self._pop(_TUPLES[step])))
        elif step.endswith("GET"):
            self._stack.append(self._memo[int(argument)])
        elif step.endswith("PUT") or step == "MEMOIZE":
            self._memo[len(self._memo) if argument is None else int(argument)] = self._stack[-1]
        elif step in ("GLOBAL", "STACK_GLOBAL"):
            module, name = argument.split(" ", 1) if argument else self._pop(2)
            self._stack.append(_name(module, name))
        elif step in _CONTAINERS:
            _CONTAINERS[step](self)
        elif step not in ("PROTO", "FRAME"):
            raise DataError(f"takes the step {step}, which no array of numbers needs")

    def _pop(self, count: int) -> list[Any]:
        if len(self._stack) < count:
            raise EOFError("an empty stack")
        taken = self._stack[len(self._stack) - count :]
        del self._stack[len(self._stack) - count :]
        return taken

    def _pop_to_mark(self) -> list[Any]:
        place = next(i for i in range(len(self._stack) - 1, -1, -1) if self._stack[i] is _MARK)
        _, *taken = self._pop(len(self._stack) - place)
        return taken

    def _mark(self) -> None:
        self._stack.append(_MARK)

    def _list(self) -> None:
        self._stack.append(self._pop_to_mark())

    def _tuple(self) -> None:
        self._stack.append(tuple(self._pop_to_mark()))

    def _dict(self) -> None:
        pairs = self._pop_to_mark()
        self._stack.append({})
        self._set(pairs)

    def _set(self, pairs: list[Any]) -> None:
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            # The hash of nested tuples can take for ever.
            if not isinstance(key, str | int):
                raise DataError("has a key that is no text; only plain containers are read")
            self._stack[-1][key] = value

    def _reduce(self) -> None:
        name, arguments = self._pop(2)
        if not isinstance(name, _Name) or not isinstance(arguments, tuple):
            raise DataError("calls what is no function; the file was not run")
        if name == "_reconstruct":
            self._stack.append(PickledArray())
        elif name == "dtype":
            self._stack.append(_Dtype(arguments[0]))
        elif name == "encode":
            self._stack.append(self._bytes(arguments[0]))
        elif name == "scalar":
            dtype, content = arguments
            self._stack.append(np.frombuffer(self._bytes(content), dtype.numpy)[0].item())
        else:
            raise DataError(f"calls numpy.{name}; the file was not run")

    def _build(self) -> None:
        """Take the state that numpy writes of a dtype or an array: see its `__reduce__`."""
        state = self._pop(1)[0]
        target = self._stack[-1]
        if isinstance(target, _Dtype):
            target.numpy = target.numpy.newbyteorder(state[1])
        elif isinstance(target, PickledArray):
            _, shape, dtype, column_major, content = state
            flat = np.frombuffer(self._bytes(content), dtype.numpy)
            target.values = flat.reshape(shape, order="F" if column_major else "C")
        else:
            raise DataError("gives a state to what is no array; the file was not run")

    def _bytes(self, text: str | bytes) -> bytes:
        """Give bytes, which Python 2 wrote as text; a file cannot hold more of them than it has."""
        self._budget -= len(text)
        if self._budget < 0:
            raise DataError("builds more than it holds; the file was not run")
        return text if isinstance(text, bytes) else text.encode("latin1")


_CONTAINERS: dict[str, Callable[[_Machine], None]] = {
    "MARK": _Machine._mark,
    "POP": lambda machine: machine._pop(1).clear(),
    "EMPTY_LIST": lambda machine: machine._stack.append([]),
    "EMPTY_DICT": lambda machine: machine._stack.append({}),
    "LIST": _Machine._list,
    "TUPLE": _Machine._tuple,
    "DICT": _Machine._dict,
    "APPEND": lambda machine: machine._stack[-2].append(machine._stack.pop()),
    "APPENDS": lambda machine: (lambda taken: machine._stack[-1].extend(taken))(
        machine._pop_to_mark()
    ),
    "SETITEM": lambda machine: machine._set(machine._pop(2)),
    "SETITEMS": lambda machine: machine._set(machine._pop_to_mark()),
    "REDUCE": _Machine._reduce,
    "BUILD": _Machine._build,
}


def _name(module: object, name: object) -> _Name:
    allowed = isinstance(module, str) and isinstance(name, str) and (module, name) in _CALLS
    if not allowed:
        raise DataError(
            f"asks for {str(module)[:40]}.{str(name)[:40]}; only numpy arrays of numbers are read, "
            "and the file was not run: download it again from the data set's own page"
        )
    return _Name(_CALLS[cast(str, module), cast(str, name)])
