import re
from xml.etree import ElementTree as ET

import pytest

from bench.picture import HEIGHT, WIDTH, Axis, Line, bar_chart, line_chart

LINES = [
    Line(name="p50", points=[(100, 5.5), (500, 20), (1000, 41)], colour=0),
    Line(name="p99 <target>", points=[(100, 40), (500, 60), (1000, 42)], colour=1, dashed=True),
]


def drawn(*, logarithmic: bool = False) -> str:
    return line_chart(
        "A title",
        x=Axis(label="offered, a second", logarithmic=logarithmic, marks=(100, 500, 1000)),
        y=Axis(label="ms", logarithmic=logarithmic),
        lines=LINES,
    )


def texts(svg: str) -> list[str]:
    return [each.text or "" for each in ET.fromstring(svg).iter() if each.tag.endswith("text")]


@pytest.mark.parametrize("logarithmic", [False, True])
def test_every_point_lies_within_the_page(*, logarithmic: bool) -> None:
    for points in re.findall(r'points="([^"]+)"', drawn(logarithmic=logarithmic)):
        for point in points.split():
            x, y = map(float, point.split(","))
            assert 0 < x < WIDTH
            assert 0 < y < HEIGHT


@pytest.mark.parametrize("logarithmic", [False, True])
def test_more_is_drawn_higher(*, logarithmic: bool) -> None:
    first = re.findall(r'points="([^"]+)"', drawn(logarithmic=logarithmic))[0]
    heights = [float(point.split(",")[1]) for point in first.split()]

    assert heights == sorted(heights, reverse=True)


def test_axes_say_what_they_count_and_lines_are_named() -> None:
    found = texts(drawn())

    assert {"A title", "offered, a second", "ms", "p50", "p99 <target>", "500"} <= set(found)


def test_names_do_not_lie_on_each_other() -> None:
    heights = [
        float(each.attrib["y"])
        for each in ET.fromstring(drawn()).iter()
        if each.tag.endswith("text") and each.text in {"p50", "p99 <target>"}
    ]

    assert len(heights) == 2
    assert abs(heights[0] - heights[1]) >= 12


def test_a_picture_has_colours_for_light_and_dark_pages() -> None:
    assert "prefers-color-scheme: dark" in drawn()


def test_a_bar_is_as_long_as_its_value() -> None:
    svg = bar_chart(
        "Recovery",
        x=Axis(label="s"),
        rows={"one": {"p50": 1.0, "max": 2.0}, "two": {"p50": 2.0, "max": 4.0}},
    )
    # The first such rectangle explains a colour.
    widths = [float(each) for each in re.findall(r'x="230" y="[^"]+" width="([\d.]+)" h', svg)][1:]

    assert widths == pytest.approx([widths[0], 2 * widths[0], 2 * widths[0], 4 * widths[0]])
    assert {"one", "two", "p50", "max", "s", "4"} <= set(texts(svg))
