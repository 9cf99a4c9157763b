"""`titan archive`: keep topics as files, so that replay outlives their retention; verify them."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from domain.errors import Invalid
from replay.archive import Archive
from replay.archiver import Added, Archiver
from replay.log import KafkaLog, from_ms
from replay.vector import Place, places_of
from runtime.clock import SystemClock
from runtime.settings import Settings
from runtime.topics import topic_map
from titan.endpoints import connected_settings
from titan.progress import Bar
from titan.terminal import JsonOption, fail, say, say_json


def archive(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where the archive is.")],
    *,
    topics: Annotated[
        list[str] | None, typer.Option(help="Only this topic of the map; may be repeated.")
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Add nothing: read all of it and check every byte.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Add what the log has and the archive has not; a run that breaks off is simply run again.

    Exit 1 if records were gone before they were archived, or with --verify if anything is wrong.
    """
    places = places_of(_known(topics or [topic.name for topic in topic_map().topics]))
    with Bar(disable=as_json) as bar:
        if verify:
            faults = _verify(directory, places if topics else None, bar, as_json=as_json)
        else:
            settings = connected_settings(needed=("kafka_bootstrap",))
            added = asyncio.run(_archive(directory, places, settings, bar))
            faults = added.gone
            _say_added(added, directory, as_json=as_json)
    if faults:
        fail(faults[0] + (f", and {len(faults) - 1} faults more" if faults[1:] else ""))


async def _archive(directory: Path, places: Sequence[Place], settings: Settings, bar: Bar) -> Added:
    assert settings.kafka_bootstrap is not None
    log = KafkaLog(settings.kafka_bootstrap, prefix=settings.topic_prefix)
    await log.start({place.topic for place in places})
    try:
        archiver = Archiver(directory, log, clock=SystemClock())
        return await archiver.run(
            places,
            on_total=lambda count: bar.total("archiving", count),
            on_progress=bar.advance,
        )
    finally:
        await log.stop()


def _known(names: Sequence[str]) -> Sequence[str]:
    known = {topic.name for topic in topic_map().topics}
    if set(names) - known:
        raise Invalid("no_such_topic", "topics.yaml has no such topic")
    return names


def _say_added(added: Added, directory: Path, *, as_json: bool) -> None:
    if as_json:
        say_json(
            {
                "directory": str(directory),
                "records": added.records,
                "segments": added.segments,
                "bytes": added.stored_bytes,
                "gone": added.gone,
            }
        )
    elif added.records:
        say(
            f"archived {added.records:,} records in {added.segments} segments, "
            f"{added.stored_bytes / 1e6:,.1f} MB"
        )
    else:
        say("nothing to do: the archive has all that the log has")


def _verify(
    directory: Path, places: Sequence[Place] | None, bar: Bar, *, as_json: bool
) -> list[str]:
    archive = Archive(directory)
    manifest = archive.manifest
    chosen = manifest.places if places is None else places
    bar.total("verifying", sum(len(manifest.of(place)) for place in chosen))
    faults: list[str] = []
    records = segments = 0
    for _, segment, fault in archive.faults(chosen):
        bar.advance(1)
        records += segment.count
        segments += 1
        faults += [] if fault is None else [fault]
    until = from_ms(manifest.complete_until_ms).isoformat(timespec="seconds")
    if as_json:
        say_json(
            {
                "directory": str(directory),
                "records": records,
                "segments": segments,
                "complete_until": until,
                "faults": faults,
            }
        )
    elif faults:
        for fault in faults:
            say(fault)
    else:
        say(f"{records:,} records in {segments} segments, every byte as written; until {until}")
    return faults
