"""Saying what took long: one line each, for whoever asks afterwards where the time went."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog

from runtime.clock import Clock

log = structlog.get_logger()

SLOW_S: Final = 2.0
"""What takes longer is said."""


@contextmanager
def said_if_slow(what: str, clock: Clock, **where: object) -> Iterator[None]:
    """Log a warning if what happens inside takes longer than SLOW_S, however it ends."""
    began_s = clock.monotonic_s()
    try:
        yield
    finally:
        took_s = clock.monotonic_s() - began_s
        if took_s > SLOW_S:
            log.warning("slow", what=what, took_s=round(took_s, 1), **where)
