"""What the verb `listen` does with its words."""

import json
import logging
import signal
import sys
import threading
from argparse import Namespace
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live

from sensor2llm.archive.labelling import check_risk, label_windows, no_window
from sensor2llm.errors import ConfigError, UserError
from sensor2llm.live.feed import check_step
from sensor2llm.live.listener import Listener, LiveView
from sensor2llm.live.sources.opening import open_feed
from sensor2llm.live.view import JsonView, LineView, TerminalView
from sensor2llm.model.model import SensorLanguageModel
from sensor2llm.signals.mapping.data_map import parse_map
from sensor2llm.signals.store.store import WindowStore
from sensor2llm.signals.window import Window
from sensor2llm.tasks.loading import blank_window, load_model

logger = logging.getLogger(__name__)


def listen(options: Namespace) -> None:
    """Listen until the source ends, the time is over, or Ctrl-C; then print the totals.

    Raises:
        UserError: the source cannot be opened, or held no whole window.
    """
    check_risk(options.abstain)
    if options.stop_after is not None and not options.stop_after > 0:
        raise ConfigError(f"stop-after must be above 0 s, got {options.stop_after:g}")
    model = load_model(options.adapter, options.llm, llm_accept=options.llm_accept)
    spec = model.adapter.spec
    data_map = parse_map(options.map, spec)
    check_step(options.step_s, spec)
    warm_up(model)
    words = {"step_s": options.step_s, "subject": options.subject}
    with closing(open_feed(options.source, spec, data_map, **words)) as feed:
        limits = {"abstain": options.abstain, "stop_after_s": options.stop_after}
        listener = Listener(model, feed, **limits)
        with _stopping(listener), ExitStack() as stack:
            title = f"{options.adapter} · {feed.name}"
            windows = listener.windows(_view(listener, title, options.json, stack))
            _take(windows, options.record, listener)
        _finish(listener, as_json=options.json)


def warm_up(model: SensorLanguageModel) -> None:
    """Answer a made-up window before a real one comes."""
    deque(label_windows(model, [blank_window(model.adapter.spec)], 1), maxlen=0)


def _view(listener: Listener, title: str, as_json: bool, stack: ExitStack) -> LiveView:
    if as_json:
        return JsonView(sys.stdout)
    console = Console()
    if not console.is_terminal:
        return LineView(sys.stdout)
    live = Live(console=console, auto_refresh=False, redirect_stdout=False)
    return TerminalView(listener, title, stack.enter_context(live))


def _take(windows: Iterator[Window], record: Path | None, listener: Listener) -> None:
    """Take all windows, into a store where one is wanted: what came before an error is in it."""
    if record is None:
        deque(windows, maxlen=0)
        return
    errors: list[UserError | OSError] = []
    coming = _until_error(windows, errors)
    if (first := next(coming, None)) is not None:
        feed, spec = listener.feed, listener.model.adapter.spec
        every = chain([first], coming)
        source = f"listened to {feed.name}"
        store = WindowStore.write(record, spec, every, source=source, ledger=feed.ledger)
        logger.info("%d windows -> %s", len(store), record)
    if errors:
        raise errors[0]


def _until_error(windows: Iterator[Window], errors: list[UserError | OSError]) -> Iterator[Window]:
    try:
        yield from windows
    except (UserError, OSError) as error:
        errors.append(error)


def _finish(listener: Listener, *, as_json: bool) -> None:
    """Print the totals; raise DataError where a source that ended held no window."""
    totals, feed = listener.totals, listener.feed
    for line in feed.ledger.lines():
        logger.info("%s", line)
    if not (totals.answers or listener.stopped):
        raise no_window(feed.name, listener.model.adapter.spec, feed.ledger)
    if as_json:
        print(json.dumps(totals.to_dict(), ensure_ascii=False))
    else:
        print("\n".join(totals.lines()))


@contextmanager
def _stopping(listener: Listener) -> Iterator[None]:
    """Let Ctrl-C, and a request to end, end the listening in order; the second one at once."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread hears signals
        return

    def stop(number: int, frame: Any) -> None:
        listener.stop()
        signal.signal(number, before[number])

    before: dict[int, Any] = {s: signal.signal(s, stop) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
