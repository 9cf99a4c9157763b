"""How many times the empty pipeline of the same run the real one costs, and takes. Pure."""

from collections.abc import Sequence
from typing import Final

from bench.drain import CPU_GROUP
from bench.figures import Figure
from bench.floor import variant
from bench.flow import ALL
from bench.place import GENERATOR

_GROUP: Final = "the pipeline, as many times the empty one of this run"
_SHARED: Final = "what stood beside each of the two; above 1 is what decoding and deciding cost"


def compared(figures: Sequence[Figure], rates_per_s: Sequence[int]) -> list[Figure]:
    """A ratio for whatever was measured of both."""
    found: list[Figure] = []
    for commits in (True, False):
        floor = variant(commits=commits)
        found += _ratios(
            [
                (
                    f"CPU of one payment, to {floor}",
                    _cpu_us(figures),
                    _of(figures, floor, "CPU, " + ALL),
                ),
                (
                    f"time of a backlog, to {floor}",
                    _of(figures, floor, "first topic to last topic"),
                    _of(figures, "backlog of", "requested to posted"),
                ),
                *(
                    (
                        f"p{percent} at {rate} payments/s, to {floor}",
                        _of(
                            figures,
                            f"open loop, {rate} payments/s",
                            f"202 received to payment.posted appended, p{percent}",
                        ),
                        _of(
                            figures,
                            floor,
                            f"{rate} payments/s, acknowledged to last topic, p{percent}",
                        ),
                    )
                    for rate in rates_per_s
                    for percent in (50, 99)
                ),
            ]
        )
    return found


def _ratios(pairs: Sequence[tuple[str, float | None, float | None]]) -> list[Figure]:
    return [
        Figure(group=_GROUP, name=name, value=above / below, unit="times", shared=_SHARED)
        for name, above, below in pairs
        if above is not None and below
    ]


def _of(figures: Sequence[Figure], group: str, name: str) -> float | None:
    """The first figure of that name in a group that begins so."""
    for figure in figures:
        if figure.group.startswith(group) and figure.name == name:
            return figure.value
    return None


def _cpu_us(figures: Sequence[Figure]) -> float | None:
    """Without the process that makes the load, as the empty pipeline's figure is."""
    parts = [
        figure.value
        for figure in figures
        if figure.group == CPU_GROUP and figure.name not in {ALL, GENERATOR}
    ]
    known = [each for each in parts if each is not None]
    return sum(known) if known else None
