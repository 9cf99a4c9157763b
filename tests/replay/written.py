"""Archives written by a test itself: logs without a broker."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from replay.log import to_ms
from replay.manifest import Manifest, Segment, save_manifest
from replay.segment import COMPRESSION, StoredRecord, compress, digest_of, pack
from replay.vector import Place
from runtime.publisher import partition_of
from runtime.topics import topic_map
from schemas.wire import Message

Written = Sequence[tuple[datetime, Message]]
"""Records, each with the time of its append, in the order of the log."""


def write_archive(directory: Path, log: Written, *, complete_until: datetime) -> None:
    """The archive that a broker with this log would have been archived to: whole, from offset 0."""
    directory.mkdir()
    places: dict[Place, list[StoredRecord]] = defaultdict(list)
    for appended_at, message in log:
        number = partition_of(message.key, topic_map()[message.topic].partitions)
        place = Place(message.topic, number)
        places[place].append(
            StoredRecord(
                message.topic,
                number,
                len(places[place]),
                to_ms(appended_at),
                message.key,
                message.value,
                list(message.headers),
            )
        )
    manifest = Manifest(complete_until_ms=to_ms(complete_until))
    for place, records in places.items():
        stored = compress(pack(records), COMPRESSION)
        segment = Segment(
            start=0,
            next=len(records),
            count=len(records),
            first=0,
            last=len(records) - 1,
            first_appended_ms=records[0].timestamp,
            last_appended_ms=records[-1].timestamp,
            last_record_sha256=digest_of(records[-1]),
            compression=COMPRESSION,
            bytes=len(stored),
            sha256=sha256(stored).hexdigest(),
        )
        path = directory / segment.path(place)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(stored)
        manifest.add(place, segment)
    save_manifest(directory, manifest)
