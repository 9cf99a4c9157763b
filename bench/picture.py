"""Charts as SVG: lines over an axis, or bars by name. Pure: the same figures, the same picture.

Readable on light and dark pages: colours follow the reader's scheme, and each line is named where
it ends.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

WIDTH: Final = 760
HEIGHT: Final = 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 190, 48, 56
_BAR, _GAP = 9, 10
_NAME_WIDTH: Final = 230
_TICKS: Final = 6
_LABEL_APART: Final = 15

_COLOURS: Final = (
    "#2f7fd1",
    "#d9722b",
    "#2a9d62",
    "#c2417c",
    "#8a63d2",
    "#8a8f98",
    "#b0891f",
    "#1b9aaa",
)

_STYLE: Final = """<style>
text { font: 12px system-ui, sans-serif; fill: #24292f }
.title { font-size: 15px; font-weight: 600 }
.page { fill: #ffffff }
.grid { stroke: #d0d7de; stroke-width: 1 }
.line { fill: none; stroke-width: 2.2 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .page { fill: #0d1117 }
  .grid { stroke: #30363d }
}
</style>"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """What is shown along one side, with its unit. `marks` are the ticks, if not found by itself.

    A logarithmic axis shows positive values only.
    """

    label: str
    logarithmic: bool = False
    marks: Sequence[float] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line. Dashed are those to compare with, as targets and floors."""

    name: str
    points: Sequence[tuple[float, float]]
    colour: int
    dashed: bool = False


def line_chart(title: str, *, x: Axis, y: Axis, lines: Sequence[Line]) -> str:
    """Lines over two axes."""
    xs = [point[0] for line in lines for point in line.points]
    ys = [point[1] for line in lines for point in line.points]
    x_ticks, y_ticks = _ticks(x, xs), _ticks(y, ys)
    place_x = _scale(x, x_ticks, _LEFT, WIDTH - _RIGHT)
    place_y = _scale(y, y_ticks, HEIGHT - _BOTTOM, _TOP)
    parts = [_text(16, 26, title, "title")]
    for tick in y_ticks:
        at = place_y(tick)
        parts.append(_grid(_LEFT, at, WIDTH - _RIGHT, at))
        parts.append(_text(_LEFT - 8, at + 4, _number(tick), anchor="end"))
    for tick in x_ticks:
        at = place_x(tick)
        parts.append(_grid(at, HEIGHT - _BOTTOM, at, HEIGHT - _BOTTOM + 5))
        parts.append(_text(at, HEIGHT - _BOTTOM + 20, _number(tick), anchor="middle"))
    parts.append(_text((_LEFT + WIDTH - _RIGHT) / 2, HEIGHT - 14, x.label, anchor="middle"))
    middle = (_TOP + HEIGHT - _BOTTOM) / 2
    parts.append(
        f'<text transform="translate(18 {middle:.0f}) rotate(-90)" text-anchor="middle">'
        f"{escape(y.label)}</text>"
    )
    ends = _apart([place_y(line.points[-1][1]) for line in lines])
    for line, end in zip(lines, ends, strict=True):
        parts += _drawn(line, place_x, place_y, end)
    return _document(HEIGHT, title, parts)


def bar_chart(title: str, *, x: Axis, rows: Mapping[str, Mapping[str, float]]) -> str:
    """A group of bars for each name, a bar for each measure; the same measures in every group."""
    measures = list(next(iter(rows.values())))
    step = len(measures) * _BAR + _GAP
    height = _TOP + 24 + len(rows) * step + _BOTTOM
    ticks = _ticks(x, [value for row in rows.values() for value in row.values()])
    place = _scale(x, ticks, _NAME_WIDTH, WIDTH - 70)
    parts = [_text(16, 26, title, "title")]
    for number, measure in enumerate(measures):
        at = _NAME_WIDTH + number * 110
        parts.append(f'<rect x="{at}" y="38" width="12" height="10" fill="{_COLOURS[number]}"/>')
        parts.append(_text(at + 18, 47, measure))
    for tick in ticks:
        parts.append(_grid(place(tick), _TOP + 12, place(tick), height - _BOTTOM))
        parts.append(_text(place(tick), height - _BOTTOM + 18, _number(tick), anchor="middle"))
    parts.append(_text((_NAME_WIDTH + WIDTH - 70) / 2, height - 14, x.label, anchor="middle"))
    for number, (name, row) in enumerate(rows.items()):
        top = _TOP + 20 + number * step
        parts.append(_text(_NAME_WIDTH - 10, top + step / 2, name, anchor="end"))
        for place_in_group, measure in enumerate(measures):
            at = top + place_in_group * _BAR
            width = max(1.0, place(max(row[measure], ticks[0])) - _NAME_WIDTH)
            parts.append(
                f'<rect x="{_NAME_WIDTH}" y="{at}" width="{width:.1f}" height="{_BAR - 1}" '
                f'fill="{_COLOURS[place_in_group]}"/>'
            )
        longest = max(row.values())
        parts.append(_text(place(max(longest, ticks[0])) + 6, top + step / 2, f"{longest:.3g}"))
    return _document(height, title, parts)


def _drawn(
    line: Line, place_x: Callable[[float], float], place_y: Callable[[float], float], end: float
) -> list[str]:
    colour = _COLOURS[line.colour % len(_COLOURS)]
    dots = [(place_x(x), place_y(y)) for x, y in line.points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in dots)
    dashes = ' stroke-dasharray="5 4"' if line.dashed else ""
    parts = [f'<polyline class="line" stroke="{colour}"{dashes} points="{path}"/>']
    if not line.dashed and len(dots) <= 12:
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in dots]
    at_x = WIDTH - _RIGHT + 10
    sample = f"{at_x},{end:.1f} {at_x + 18},{end:.1f}"
    parts.append(f'<polyline class="line" stroke="{colour}"{dashes} points="{sample}"/>')
    parts.append(_text(at_x + 24, end + 4, line.name))
    return parts


def _apart(wanted: Sequence[float]) -> list[float]:
    """The same heights, moved apart where labels would lie on each other."""
    found = list(wanted)
    lowest = -math.inf
    for index in sorted(range(len(wanted)), key=lambda each: wanted[each]):
        lowest = found[index] = max(wanted[index], lowest + _LABEL_APART)
    # Those that were pushed off the page go back up, and push only what is in their way.
    highest = float(HEIGHT - _BOTTOM)
    for index in sorted(range(len(wanted)), key=lambda each: -found[each]):
        found[index] = min(found[index], highest)
        highest = found[index] - _LABEL_APART
    return found


def _ticks(axis: Axis, values: Sequence[float]) -> list[float]:
    if axis.marks:
        return list(axis.marks)
    if axis.logarithmic:
        return _logarithmic_ticks([value for value in values if value > 0])
    highest = max(*values, 0.0, 1e-9) if values else 1.0
    step = _round_up(highest / _TICKS)
    return [step * number for number in range(math.ceil(highest / step - 1e-9) + 1)]


def _logarithmic_ticks(values: Sequence[float]) -> list[float]:
    low, high = min(values), max(values)
    every = [
        digit * 10.0**power
        for power in range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
        for digit in (1, 2, 5)
    ]
    first = max(tick for tick in every if tick <= low * 1.0001)
    last = min(tick for tick in every if tick >= high * 0.9999)
    return [tick for tick in every if first <= tick <= max(last, first * 2)]


def _round_up(value: float) -> float:
    """The next of 1, 2, 5, 10, ... that is no less."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(digit * power for digit in (1, 2, 5, 10) if digit * power >= value * 0.9999)


def _scale(axis: Axis, ticks: Sequence[float], low: float, high: float) -> Callable[[float], float]:
    turn = math.log10 if axis.logarithmic else float
    first, last = turn(ticks[0]), turn(ticks[-1])
    return lambda value: low + (turn(value) - first) / ((last - first) or 1.0) * (high - low)


def _number(value: float) -> str:
    if value >= 1_000_000:
        return f"{value / 1_000_000:g}M"
    return f"{value / 1000:g}k" if value >= 10_000 else f"{value:g}"


def _text(x: float, y: float, text: str, kind: str = "", *, anchor: str = "start") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{named}>{escape(text)}</text>'


def _grid(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="grid" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _document(height: float, title: str, parts: Sequence[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" '
        f'width="{WIDTH}" height="{height:.0f}" role="img" aria-label="{escape(title)}">'
    )
    page = f'<rect class="page" width="{WIDTH}" height="{height:.0f}"/>'
    return "\n".join([head, _STYLE, page, *parts, "</svg>", ""])
