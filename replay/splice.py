"""Whether an archive and a broker hold the same log: only then may one go on after the other."""

from domain.errors import Invalid
from replay.log import KafkaLog
from replay.manifest import Manifest
from replay.segment import digest_of
from replay.vector import Vector


async def demand_same_log(log: KafkaLog, manifest: Manifest, begin: Vector, end: Vector) -> None:
    """Invalid if a topic was deleted and made anew since, or the broker is another.

    `begin` and `end` are the broker's. Seen is the newest archived record of each partition, where
    the broker still has it.
    """
    newest = {place: manifest.of(place)[-1] for place in end if manifest.of(place)}
    for place, known in newest.items():
        if end[place] < known.next:
            raise Invalid("other_log", f"{place} ends before the archive does: it is another log")
    here = {place: known.last for place, known in newest.items() if begin[place] <= known.last}
    async for place, records in log.read(here, {place: last + 1 for place, last in here.items()}):
        if digest_of(records[0]) != newest[place].last_record_sha256:
            raise Invalid(
                "other_log",
                f"{place} has another record at {newest[place].last}: it is another log",
            )
