"""Jinja for prompt templates that others wrote: no code, no files, and a budget of work.

    template = compile_template("{{ labels | join(', ') }}")
    render(template, {"labels": ["walking", "sitting"]})

Every loop, call, filter and operator pays for what it makes before it makes it, in loading (jinja
evaluates what is constant) as in rendering: a few letters of a template cannot stand for gigabytes.
"""

import contextlib
import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateRuntimeError, TemplateSyntaxError, meta, nodes
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import pass_context
from jinja2.visitor import NodeTransformer

LONGEST_TEXT = 200_000
"""Characters of a template's part."""
MOST_WORK = 10_000_000
"""Characters, items and steps of one rendering."""
STEP = 100
"""What a loop's step, a call or a filter costs besides what it makes."""
ITEM = 8
"""What an item of a list costs."""
TOO_MUCH = "it makes more text, or takes more steps, than a prompt may"
LARGEST_NUMBER = 1_000
"""Of a width, a count or an exponent; of a power's base a million."""
WITH_VALUES = ("default", "d", "format", "format_map", "int", "float", "sum", "select", "reject",
               "selectattr", "rejectattr", "map")  # fmt: skip
"""Calls and filters whose numbers are values; elsewhere they are widths and counts."""
GLOBALS = ("range", "dict", "cycler", "joiner", "namespace")
_FORBIDDEN = (
    nodes.Block, nodes.Extends, nodes.Include, nodes.Import, nodes.FromImport, nodes.Macro,
    nodes.CallBlock, nodes.FilterBlock, nodes.AssignBlock,
)  # fmt: skip
# A width of four digits, one taken from the arguments, or one put together of several.
_WIDE = re.compile(r"%(\([^)]*\))?[^a-zA-Z%]*(\*|\d{4})|\{[^}]*\d{4}[^}]*\}|\{[^{}]*:[^{}]*\{")
_left: ContextVar[list[int]] = ContextVar("left")


def spend(work: int) -> None:
    """Pay for work that is to be done; raises TemplateRuntimeError where the budget is used up."""
    left = _left.get()
    left[0] -= work
    if left[0] < 0:
        raise TemplateRuntimeError(TOO_MUCH)


@contextlib.contextmanager
def _budget() -> Iterator[None]:
    token = _left.set([MOST_WORK])
    try:
        yield
    finally:
        _left.reset(token)


def _size(value: Any) -> int:
    """Give how many characters a value may be as text; a list within many lists counts in each."""
    size, waiting = 0, [value]
    while waiting:
        one = waiting.pop()
        size += ITEM
        if isinstance(one, str | bytes):
            size += len(one)
        elif isinstance(one, int):
            size += one.bit_length() // 3
        elif isinstance(one, range):
            size += ITEM * len(one)
        elif isinstance(one, Mapping):
            waiting += [*one, *one.values()]
        elif isinstance(one, list | tuple | set | frozenset):
            waiting += one
        if size + ITEM * len(waiting) > MOST_WORK:
            raise TemplateRuntimeError(TOO_MUCH)
    return size


def _check(value: Any, arguments: Iterable[Any], *, as_values: bool = False) -> None:
    """Pay for what a call may make of a value: at most each of its parts with each argument.

    Args:
        value: what is filled, padded, repeated or joined.
        arguments: with what; a number may be a width.
        as_values: whether numbers among them are values, and no widths.
    """
    sizes = 0
    for argument in arguments:
        if as_values or not isinstance(argument, int | float):
            sizes += _size(argument)
        elif abs(argument) <= LARGEST_NUMBER:
            sizes += abs(int(argument))
        else:
            raise TemplateRuntimeError(f"{argument} is too large a number for a prompt")
    if isinstance(value, str) and _WIDE.search(value):
        raise TemplateRuntimeError("such a width is too large for a prompt; write it, below 1000")
    spend(STEP + (_size(value) + 1) * (sizes + 1))


def _guarded(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a filter pay; the first argument may be jinja's own."""
    first = 1 if getattr(function, "jinja_pass_arg", None) is not None else 0

    @functools.wraps(function)
    def run(*arguments: Any, **options: Any) -> Any:
        value, *others = arguments[first:] or (None,)
        _check(value, [*others, *options.values()], as_values=name in WITH_VALUES)
        made = function(*arguments, **options)
        spend(_size(made))
        return made

    return run


def _paid(value: Any) -> Any:
    """Pay for what is put out."""
    spend(_size(value))
    return value


@pass_context
def _counted(_: Context, items: Iterable[Any]) -> Iterator[Any]:
    """Go through a loop's items, and pay for each step."""
    for item in items:
        spend(STEP)
        yield item


@pass_context
def _concatenated(_: Context, parts: list[Any]) -> str:
    """Write parts one after the other: the operator `~`."""
    spend(STEP + _size(parts))
    return "".join(str(part) for part in parts)


class PromptEnvironment(ImmutableSandboxedEnvironment):
    """The sandbox of jinja, with a budget on top."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self) -> None:
        super().__init__(
            undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_paid
        )
        self.globals = {name: self.globals[name] for name in GLOBALS}
        self.filters = {name: _guarded(name, function) for name, function in self.filters.items()}
        self.filters |= {_COUNTED: _counted, _CONCATENATED: _concatenated}

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Compute what an operator makes."""
        plain = isinstance(left, int | float) and isinstance(right, int | float)
        if operator == "**" and (not plain or abs(right) > LARGEST_NUMBER or abs(left) > 1e6):
            raise TemplateRuntimeError("a power of such numbers is too large for a prompt")
        if not plain and operator != "+":
            # A text or a list, repeated or filled in.
            text, number = (right, left) if isinstance(left, int) else (left, right)
            _check(text, [number], as_values=operator == "%")
        spend(STEP + _size(left) + _size(right))
        made = super().call_binop(context, operator, left, right)
        if _size(made) > LARGEST_NUMBER and plain:
            raise TemplateRuntimeError("such a number is too large for a prompt")
        return made

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        """Call what the sandbox lets be called; a range may be longer than a width."""
        # The sandbox wraps str.format.
        owner = getattr(getattr(__obj, "__wrapped__", __obj), "__self__", None)
        if __obj is __self.globals["range"]:
            spend(STEP)
        else:
            is_text = isinstance(owner, str)
            as_values = not is_text or getattr(__obj, "__name__", "") in WITH_VALUES
            _check(owner if is_text else None, [*args, *kwargs.values()], as_values=as_values)
        made = super().call(__context, __obj, *args, **kwargs)
        spend(0 if isinstance(made, range) else _size(made))
        return made


# No name that a template can write.
_COUNTED, _CONCATENATED = "counted items", "concatenated parts"


class _Paying(NodeTransformer):
    """Make loops and `~` pay."""

    def visit_For(self, node: nodes.For) -> nodes.For:
        self.generic_visit(node)
        node.iter = _filter(node.iter, _COUNTED)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Filter:
        self.generic_visit(node)
        return _filter(nodes.List(node.nodes, lineno=node.lineno), _CONCATENATED)


def _filter(node: Any, name: str) -> nodes.Filter:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)


_ENVIRONMENT = PromptEnvironment()


def _parse(text: str) -> nodes.Template:
    if len(text) > LONGEST_TEXT:
        raise TemplateSyntaxError(f"longer than {LONGEST_TEXT} characters", 1)
    tree = _ENVIRONMENT.parse(text)
    for node in tree.find_all(_FORBIDDEN):
        word = re.sub("(?<=[a-z])(?=[A-Z])", " ", type(node).__name__).lower()
        raise TemplateSyntaxError(f"a prompt has no {word}", node.lineno)
    for loop in tree.find_all(nodes.For):
        if loop.recursive:
            raise TemplateSyntaxError("a prompt has no recursive loop", loop.lineno)
    tree = _Paying().visit(tree)
    tree.set_environment(_ENVIRONMENT)
    return tree


def compile_template(text: str) -> tuple[Template, frozenset[str]]:
    """Compile a text; gives the template, and the variables that it expects from outside.

    Raises:
        Exception: Of any kind, where it is no template or does too much.
    """
    with _budget():
        return (
            _ENVIRONMENT.from_string(_parse(text)),
            frozenset(meta.find_undeclared_variables(_parse(text))),
        )


def render(template: Template, variables: Mapping[str, Any]) -> str:
    """Render a template.

    Raises:
        Exception: Of any kind: a template is a program of somebody else's.
    """
    pieces = []
    with _budget():
        for piece in template.generate(**variables):
            spend(len(piece))
            pieces.append(piece)
    return "".join(pieces)
