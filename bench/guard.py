"""The guard: ratios that hold on any machine, held against the committed ones.

Microseconds are those of one machine on one day. What the pipeline costs as many times the empty
pipeline, and as many times a fixed piece of work in pure Python, measured in turn in the same
minute, is nearly the same everywhere.
"""

import hashlib
import json
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final
from uuid import UUID, uuid5

from bench.floor import open_floor
from bench.flow import Flow
from bench.place import GENERATOR, Say
from bench.rig import Rig

TOLERANCE: Final = 1.25
"""A ratio may be so many times the committed one."""

TO_EMPTY: Final = "CPU of one payment, times the empty pipeline's"
TO_CALIBRATION: Final = "CPU of one payment, times the calibration's"

_WARM_UP: Final = 10_000
_CALIBRATION_RUNS: Final = 3_000
_ROOT: Final = UUID("00000000-0000-0000-0000-00000000be4c")


@dataclass(frozen=True, slots=True)
class Verdict:
    """One ratio held against the committed one; without one nothing holds."""

    name: str
    found: float
    committed: float | None

    @property
    def holds(self) -> bool:
        """Whether it is no more than the tolerance above."""
        return self.committed is not None and self.found <= self.committed * TOLERANCE

    @property
    def is_stale(self) -> bool:
        """Whether it is so much better that the committed one guards nothing any more."""
        return self.committed is not None and self.found * TOLERANCE < self.committed


def verdicts(found: Mapping[str, float], committed: Mapping[str, float]) -> list[Verdict]:
    """Each ratio that was found, beside the committed one."""
    return [Verdict(name, value, committed.get(name)) for name, value in found.items()]


async def measure_ratios(rig: Rig, count: int, *, rounds: int, say: Say) -> dict[str, float]:
    """The median of so many rounds: calibrate, drain, calibrate, drain the empty pipeline."""
    to_empty: list[float] = []
    to_calibration: list[float] = []
    async with (
        Flow(rig.place.bootstrap, clock=rig.clock) as flow,
        open_floor(rig, commits=True) as floor,
    ):
        for number in range(rounds + 1):
            size = count if number else _WARM_UP
            events = rig.people.payments(size, name=f"guard {number}")
            before_us = calibration_us()
            drain = await flow.drain(
                size,
                partial(rig.publish, events),
                held=rig.place.held(),
                meter=rig.place.meter,
                free=GENERATOR,
            )
            after_us = calibration_us()
            empty = await floor.drain(size, name=f"guard {number}")
            if not number:
                continue
            to_empty.append(drain.all_us / empty.all_us)
            to_calibration.append(drain.all_us / ((before_us + after_us) / 2))
            say(
                f"Round {number}: {drain.all_us:.0f} us, empty {empty.all_us:.0f} us, "
                f"calibration {(before_us + after_us) / 2:.1f} us"
            )
    return {
        TO_EMPTY: statistics.median(to_empty),
        TO_CALIBRATION: statistics.median(to_calibration),
    }


def calibration_us() -> float:
    """CPU of one run of a fixed piece of work, of the kind that a stage does; never change it."""
    began_s = time.process_time()
    digest = ""
    for number in range(_CALIBRATION_RUNS):
        name = f"{digest[:8]}{number}"
        event = {
            "payment_id": str(uuid5(_ROOT, name)),
            "amount_minor": number,
            "currency": "USD",
            "parties": [f"person{number % 97:05d}", f"person{number % 89:05d}"],
        }
        text = json.dumps(event, separators=(",", ":"))
        back = json.loads(text)
        digest = hashlib.sha256(text.encode()).hexdigest()
        if sorted(back) != sorted(event):
            raise RuntimeError("this machine does not calculate")
    return (time.process_time() - began_s) / _CALIBRATION_RUNS * 1e6
