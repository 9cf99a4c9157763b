"""`titan dlq`: what nobody could understand, and putting it back once that is mended."""

import asyncio
import base64
import re
from collections.abc import Awaitable, Callable
from typing import Annotated, Final, TypeVar

import typer
from rich.console import Console
from rich.progress import Progress

from domain.errors import Invalid
from runtime.clock import SystemClock
from runtime.dead_letter_log import DeadLetterLog, StoredLetter, dead_letter_topics
from runtime.publisher import KafkaPublisher
from runtime.settings import Settings
from runtime.topics import topic_map
from schemas.event import Position
from titan.endpoints import connected_settings
from titan.redrive import Selection, Tally, redrive
from titan.terminal import JsonOption, command_group, fail, say, say_json, say_table

app: Final[typer.Typer] = command_group("Dead letters: records that nobody could understand.")

RATE_PER_S_DEFAULT: Final = 500
_DUMP_BYTES_A_LINE: Final = 16

T = TypeVar("T")

TopicOption = Annotated[
    str | None, typer.Option("--topic", help="Only of this topic, by its name in topics.yaml.")
]
GroupOption = Annotated[str | None, typer.Option("--group", help="Only of this consumer group.")]
CodeOption = Annotated[str | None, typer.Option("--code", help="Only with this error code.")]
AllOption = Annotated[bool, typer.Option("--all", help="Those redriven before as well.")]


@app.command("list")
def list_letters(
    *,
    topic: TopicOption = None,
    group: GroupOption = None,
    code: CodeOption = None,
    redriven_too: AllOption = False,
    as_json: JsonOption = False,
) -> None:
    """Count the dead letters by topic and error code; the newest's position is for `show`."""
    selection = Selection(topic=topic, group=group, code=code)

    async def read(log: DeadLetterLog, _: Settings, __: str) -> list[StoredLetter]:
        letters = log.read(redriven_too=redriven_too)
        return [letter async for letter in letters if selection.has(letter)]

    rows = _summary(asyncio.run(_with_log(selection, read)))
    if as_json:
        say_json(rows)
    elif rows:
        say_table(list(rows[0]), [[str(cell) for cell in row.values()] for row in rows])
    else:
        say("no dead letters")


@app.command()
def show(
    position: Annotated[str, typer.Argument(help="TOPIC/PARTITION/OFFSET, as `list` prints it.")],
    *,
    payload: Annotated[
        bool, typer.Option("--payload", help="Key and value too: they may name a person.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Print one dead letter's headers, and with --payload its bytes."""
    place = _position(position)

    async def find(log: DeadLetterLog, _: Settings, __: str) -> StoredLetter | None:
        return await log.find(place)

    letter = asyncio.run(_with_log(Selection(topic=place.topic), find))
    if letter is None:
        fail(f"there is no dead letter at {position}, or no longer")
        return
    headers = {name: letter.header(name) for name, _ in letter.headers}
    if as_json:
        shown: dict[str, object] = {"position": position, "appended_at": letter.appended_at}
        shown["headers"] = headers
        if payload:
            shown["key_base64"] = base64.b64encode(letter.key).decode()
            shown["value_base64"] = base64.b64encode(letter.value).decode()
        say_json(shown)
        return
    say(f"{position}, appended {letter.appended_at.isoformat()}, {len(letter.value)} bytes")
    say_table(["header", "value"], headers.items())
    if payload:
        say(f"key\n{hexdump(letter.key)}\nvalue\n{hexdump(letter.value)}")


@app.command("redrive")
def redrive_letters(
    *,
    topic: TopicOption = None,
    group: GroupOption = None,
    code: CodeOption = None,
    redriven_too: AllOption = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count, publish nothing.")] = False,
    rate: Annotated[
        int, typer.Option("--rate", min=1, help="Records a second at most.")
    ] = RATE_PER_S_DEFAULT,
    as_json: JsonOption = False,
) -> None:
    """Put dead letters back on their topics: original bytes, key and headers.

    Safe to repeat: a stage handles an event once, however often it arrives.
    """
    selection = Selection(topic=topic, group=group, code=code)

    async def run(log: DeadLetterLog, settings: Settings, bootstrap: str) -> Tally:
        publisher = KafkaPublisher(
            bootstrap, prefix=settings.topic_prefix, settings=settings, role="redrive"
        )
        await publisher.start()
        try:
            with Progress(console=Console(stderr=True), disable=as_json) as progress:
                task = progress.add_task("redriving", total=None)
                return await redrive(
                    log,
                    publisher,
                    selection,
                    clock=SystemClock(),
                    rate_per_s=rate,
                    dry_run=dry_run,
                    redriven_too=redriven_too,
                    progress=lambda count: progress.advance(task, count),
                )
        finally:
            await publisher.stop()

    tally = asyncio.run(_with_log(selection, run))
    if as_json:
        say_json({"dry_run": dry_run, **_counts(tally)})
    else:
        say(f"{'would redrive' if dry_run else 'redrove'} {tally.redriven} records")
        for name, count in _counts(tally).items():
            if count and name != "redriven":
                say(f"{count} {name.replace('_', ' ')}")


def hexdump(data: bytes) -> str:
    """Offset, bytes in hex, and what of them is printable ASCII."""
    lines = []
    for begin in range(0, len(data), _DUMP_BYTES_A_LINE):
        chunk = data[begin : begin + _DUMP_BYTES_A_LINE]
        text = "".join(
            character if character.isascii() and character.isprintable() else "."
            for character in chunk.decode("latin-1")
        )
        lines.append(f"{begin:08x}  {chunk.hex(' '):<{3 * _DUMP_BYTES_A_LINE}} {text}")
    return "\n".join(lines)


async def _with_log(
    selection: Selection, work: Callable[[DeadLetterLog, Settings, str], Awaitable[T]]
) -> T:
    """Do the work on the dead letters of the topics that the selection may touch."""
    settings = connected_settings(needed=("kafka_bootstrap",))
    bootstrap = settings.kafka_bootstrap
    assert bootstrap is not None
    log = DeadLetterLog(_topics_of(selection), bootstrap=bootstrap, prefix=settings.topic_prefix)
    await log.start()
    try:
        return await work(log, settings, bootstrap)
    finally:
        await log.stop()


def _topics_of(selection: Selection) -> dict[str, int]:
    """The dead letter topics to read; Invalid if the selection names none of the map."""
    topics = {
        name: partitions
        for name, partitions in dead_letter_topics(topic_map()).items()
        if selection.topic is None
        or name.startswith(f"{selection.topic}.")
        or name == selection.topic
        if selection.group is None or name.endswith(f".{selection.group}.dlq")
    }
    if not topics:
        raise Invalid("no_such_topic", "topics.yaml has no such topic, or no such reader of it")
    return topics


def _position(text: str) -> Position:
    match = re.fullmatch(r"(.+)/([0-9]{1,4})/([0-9]{1,18})", text)
    if match is None:
        raise Invalid("invalid_position", "write the position as TOPIC/PARTITION/OFFSET")
    topic, partition, offset = match.groups()
    return Position(topic, int(partition), int(offset))


def _summary(letters: list[StoredLetter]) -> list[dict[str, object]]:
    groups: dict[tuple[str, str], list[StoredLetter]] = {}
    for letter in letters:
        groups.setdefault((letter.position.topic, letter.code), []).append(letter)
    rows: list[dict[str, object]] = []
    for (topic, code), members in sorted(groups.items()):
        newest = max(members, key=lambda letter: letter.appended_at)
        oldest = min(letter.appended_at for letter in members)
        rows.append(
            {
                "topic": topic,
                "code": code,
                "count": len(members),
                "oldest": oldest.isoformat(timespec="seconds"),
                "newest": newest.appended_at.isoformat(timespec="seconds"),
                "position": f"{topic}/{newest.position.partition}/{newest.position.offset}",
            }
        )
    return rows


def _counts(tally: Tally) -> dict[str, int]:
    return {
        "redriven": tally.redriven,
        "repeated": tally.repeated,
        "not_whole": tally.not_whole,
        "left": tally.left,
    }
