"""Where a process spends its CPU: a look at its stack every few ms of CPU time, from inside.

The kernel counts the CPU time of the process and raises SIGPROF; Python runs the handler between
two of its own instructions. So work in C (a parser, a socket) counts for the Python function that
called it, and the event loop's own for whoever it calls next or for the loop. Unlike a tracing
profiler it costs next to nothing, so what is measured stays what it is.
"""

import json
import signal
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Final

INTERVAL_S: Final = 0.002

_ROOT: Final = str(Path(__file__).resolve().parents[1])
_PACKAGES: Final = "site-packages/"
_BOTTOM: Final = ("titan/worker.py", "bench/")
"""Files of the house at the bottom of every stack: what runs is above them."""


class Sampler:
    """Counts by function of the house, until it is written down.

    What a library does counts for the function of ours that called it; what no function of ours
    called (the client library's own tasks, the event loop) counts for the library.
    """

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def start(self) -> None:
        """Look from now on; SIGUSR1 forgets what was seen so far."""
        signal.signal(signal.SIGUSR1, self._forget)
        signal.signal(signal.SIGPROF, self._look)
        signal.setitimer(signal.ITIMER_PROF, INTERVAL_S, INTERVAL_S)

    def write(self, path: Path) -> None:
        """Stop, and write how often each function was seen."""
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        path.write_text(json.dumps(self._counts), encoding="utf-8")

    def _look(self, _number: int, frame: FrameType | None) -> None:
        if frame is None:
            return
        inner: FrameType | None = frame
        while inner is not None:
            name = house_name(inner.f_code.co_filename)
            if name is not None and not name.startswith(_BOTTOM):
                self._counts[f"{name} {inner.f_code.co_qualname}"] += 1
                return
            inner = inner.f_back
        self._counts[library_name(frame.f_code.co_filename)] += 1

    def _forget(self, _number: int, _frame: FrameType | None) -> None:
        self._counts.clear()


def house_name(path: str) -> str | None:
    """A file of the house, from its root; None for any other."""
    is_house = path.startswith(_ROOT) and _PACKAGES not in path
    return path[len(_ROOT) + 1 :] if is_house else None


def library_name(path: str) -> str:
    """The library of a file, of which nobody in the house asked for what it does."""
    if _PACKAGES in path:
        return f"({path.rpartition(_PACKAGES)[2].partition('/')[0]}, its own tasks)"
    return "(event loop)"
