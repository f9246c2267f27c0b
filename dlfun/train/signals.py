"""Stopping a training: the first signal asks, the second acts as usual."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_interrupted = threading.Event()


def remember_interrupt() -> None:
    """Have `stop_signal` stop where a SIGINT came before it and a library swallowed the error."""

    def handle(number: int, frame: Any) -> None:
        _interrupted.set()
        signal.default_int_handler(number, frame)

    signal.signal(signal.SIGINT, handle)


@contextmanager
def stop_signal() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set; a second signal acts as usual."""
    if _interrupted.is_set():
        raise KeyboardInterrupt
    event = threading.Event()
    handlers: dict[signal.Signals, Any] = {}
    if threading.current_thread() is not threading.main_thread():
        yield event
        return

    def handle(number: int, frame: Any) -> None:
        event.set()
        for which, handler in handlers.items():
            signal.signal(which, handler)

    for which in (signal.SIGINT, signal.SIGTERM):
        handlers[which] = signal.signal(which, handle)
    try:
        yield event
    finally:
        for which, handler in handlers.items():
            signal.signal(which, handler)
