"""Pictures and pages from the results that are kept: `python -m bench draw`. No measuring here."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from bench.capacity import Costs, as_markdown, costs_markdown
from bench.figures import Figure
from bench.floor import variant
from bench.latency import TARGETS_MS
from bench.picture import Axis, Line, bar_chart, line_chart
from bench.profile import Profile
from bench.profile import as_markdown as profile_markdown
from bench.report import figures_markdown, write_block
from bench.results import DIRECTORY, Document, figures_of, load, machine_of
from titan.chaos.schedule import Kind

DOCS: Final = Path(__file__).resolve().parents[1] / "docs"
PERFORMANCE: Final = "performance.md"
SCALE: Final = "scale.md"
PROOF: Final = "proof.md"
REPLAY: Final = "replay.md"

Pictures = Mapping[str, str]
"""SVG by the name of its file."""


def draw_all(docs: Path = DOCS, results: Path = DIRECTORY) -> list[Path]:
    """Draw what there are results of; what was never measured keeps its picture and block."""
    performance, scaling = docs / PERFORMANCE, docs / SCALE
    proof, replaying = docs / PROOF, docs / REPLAY
    pictures: dict[str, str] = {}
    if figures := load("figures", results):
        pictures["latency.svg"] = latency_picture(figures_of(figures))
        write_block(performance, "latency", _shown("latency.svg"))
    if growth := load("growth", results):
        drawn = growth_pictures(growth)
        pictures |= drawn
        write_block(performance, "growth", f"{_shown(*drawn)}\n\n{_tables(growth)}")
    if scale := load("scale", results):
        drawn = scale_pictures(scale)
        pictures |= drawn
        write_block(scaling, "scale", f"{_shown(*drawn)}\n\n{_tables(scale)}")
        costs = Costs.from_json(scale["costs"])
        write_block(scaling, "costs", costs_markdown(costs))
        write_block(scaling, "plan", as_markdown(costs))
    if prove := load("prove", results):
        write_block(proof, "prove", _tables(prove))
    if replay := load("replay", results):
        write_block(replaying, "replay", _tables(replay))
    for when in ("before", "after"):
        if profile := load(f"profile-{when}", results):
            lines = profile_markdown(Profile.from_json(profile["profile"]))
            text = "\n".join([f"Measured {machine_of(profile).line}.", "", *lines])
            write_block(performance, f"profile {when}", text)
    if campaign := load("campaign", results):
        pictures["recovery.svg"] = recovery_picture(campaign)
        write_block(proof, "campaign", f"{campaign_table(campaign)}\n\n{_shown('recovery.svg')}")
    written: list[Path] = []
    for name, picture in pictures.items():
        path = docs / "pictures" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(picture, encoding="utf-8")
        written.append(path)
    return written


def latency_picture(figures: Sequence[Figure]) -> str:
    """Percentiles against the rate, with the targets and the empty pipeline to compare with."""
    floor = f"{variant(commits=True)}: open loop"
    lines: list[Line] = []
    for colour, percent in enumerate((50, 99)):
        measured = _points(figures, "open loop, {rate} payments/s", f"appended, p{percent}")
        empty = _points(
            figures, floor, "{rate} payments/s, acknowledged to last topic, " + f"p{percent}"
        )
        targets = [(float(rate), goals[colour]) for rate, goals in TARGETS_MS.items()]
        lines += [
            Line(name=f"p{percent}", points=measured, colour=colour),
            Line(name=f"p{percent}, target", points=targets, colour=5 + colour, dashed=True),
            Line(name=f"p{percent}, empty pipeline", points=empty, colour=colour, dashed=True),
        ]
    return line_chart(
        "From 202 to payment.posted, against the rate offered",
        x=Axis(label="payments offered, a second", logarithmic=True, marks=tuple(TARGETS_MS)),
        y=Axis(label="ms", logarithmic=True),
        lines=[line for line in lines if line.points],
    )


def growth_pictures(growth: Document) -> dict[str, str]:
    """CPU of one payment, and memory, over the payments so far."""
    rounds = growth["rounds"]
    parts = [part for part in rounds[0]["cpu_us"] if rounds[0]["cpu_us"][part] >= 5]
    whole = [(each["payments"], sum(each["cpu_us"].values())) for each in rounds]
    cpu = [
        Line(name="all of them", points=whole, colour=6),
        *(
            Line(
                name=part,
                points=[(each["payments"], each["cpu_us"][part]) for each in rounds],
                colour=number,
            )
            for number, part in enumerate(parts)
        ),
    ]
    memory = [
        Line(
            name=part,
            points=[(each["payments"], each["resident_mb"][part]) for each in rounds],
            colour=number,
        )
        for number, part in enumerate(rounds[0]["resident_mb"])
    ]
    x = Axis(label="payments so far")
    return {
        "growth-cpu.svg": line_chart(
            f"CPU of one payment, by every {growth['round_payments']:,}",
            x=x,
            y=Axis(label="us of one core"),
            lines=cpu,
        ),
        "growth-memory.svg": line_chart(
            "Resident memory while payments pile up", x=x, y=Axis(label="MB"), lines=memory
        ),
    }


def scale_pictures(scale: Document) -> dict[str, str]:
    """Rate, and CPU of one payment, by processes of each stage."""
    drains = scale["drains"]
    parts = [part for part, spent in drains[0]["cpu_us"].items() if spent >= 5]
    cores = f"on {scale['machine']['cores']} cores"
    x = Axis(
        label="processes of each stage", marks=(0.0, *(float(each["processes"]) for each in drains))
    )
    rate = Line(
        name="payments a second",
        points=[(each["processes"], each["rate_per_s"]) for each in drains],
        colour=0,
    )
    cpu = [
        Line(
            name="all of them",
            points=[(each["processes"], sum(each["cpu_us"].values())) for each in drains],
            colour=6,
        ),
        *(
            Line(
                name=part,
                points=[(each["processes"], each["cpu_us"][part]) for each in drains],
                colour=number,
            )
            for number, part in enumerate(parts)
        ),
    ]
    return {
        "scale-rate.svg": line_chart(
            f"Rate against processes, {cores}", x=x, y=Axis(label="payments a second"), lines=[rate]
        ),
        "scale-cpu.svg": line_chart(
            f"CPU of one payment against processes, {cores}",
            x=x,
            y=Axis(label="us of one core"),
            lines=cpu,
        ),
    }


def recovery_picture(campaign: Document) -> str:
    """How long each kind of fault was felt, by the report of `titan chaos --json`."""
    rows = {
        f"{kind.lower().replace('_', ' ')} ({found['faults']})": found["flow"]
        for kind, found in campaign["recovery_s"].items()
        if found["flow"]
    }
    return bar_chart(
        f"From a fault's end to the first payment posted, {campaign['faults']:,} faults",
        x=Axis(label="s", logarithmic=True),
        rows=rows,
    )


def campaign_table(campaign: Document) -> str:
    """Of each kind of fault how often it struck, and how long it was felt."""
    lines = [
        "| fault | struck | flow p50 s | p99 | max | calm p50 s | max |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for kind, found in campaign["recovery_s"].items():
        flow, calm = found["flow"], found["calm"]
        cells = [
            *(f"{flow[each]:.2f}" if flow else "" for each in ("p50", "p99", "max")),
            *(f"{calm[each]:.2f}" if calm else "" for each in ("p50", "max")),
        ]
        lines.append(f"| {Kind[kind]} | {found['faults']} | {' | '.join(cells)} |")
    seen = ", ".join(f"{what} {times:,}" for what, times in campaign["sights"].items())
    return "\n".join([*lines, "", f"Seen: {seen}."])


def _points(figures: Sequence[Figure], group: str, name: str) -> list[tuple[float, float]]:
    found: list[tuple[float, float]] = []
    for rate in TARGETS_MS:
        for figure in figures:
            fits = figure.group == group.format(rate=rate)
            if fits and figure.name.endswith(name.format(rate=rate)) and figure.value is not None:
                found.append((float(rate), figure.value))
    return found


def _tables(document: Document) -> str:
    return f"Measured {machine_of(document).line}.\n{figures_markdown(figures_of(document))}"


def _shown(*names: str) -> str:
    """Pictures as a page shows them; a page links what is there and nothing else."""
    return "\n\n".join(
        f"![{name.removesuffix('.svg').replace('-', ': ')}](pictures/{name})" for name in names
    )
