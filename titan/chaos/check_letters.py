"""Dead letters: all of the garbage, once for each group that met it, and nothing else."""

from collections import defaultdict
from collections.abc import Iterator

from runtime.topics import topic_map
from titan.chaos.evidence import Evidence, Fault
from titan.chaos.garbage import Garbage
from titan.chaos.raw_log import Record

_KEPT_BYTES_MIN = 100_000
"""Of a value that is cut, at least this much must be there."""


def letter_faults(evidence: Evidence) -> Iterator[Fault]:
    """A repeat after a crash is allowed, if it names the same position and holds the same bytes."""
    found: dict[tuple[str, tuple[str, int, int]], set[tuple[object, ...]]] = defaultdict(set)
    for letter in evidence.letters:
        headers = dict(letter.headers)
        origin = (
            _text(headers, "x-original-topic"),
            int(_text(headers, "x-original-partition")),
            int(_text(headers, "x-original-offset")),
        )
        garbage = evidence.garbage.get(origin)
        if garbage is None:
            yield Fault(f"a good record was set aside: {letter}")
            continue
        if fault := _spoiled(letter, garbage):
            yield Fault(f"{garbage.kind} at {origin} was kept badly: {fault}")
        when_failed = ("x-first-failed-at", "x-original-timestamp")
        kept = tuple(pair for pair in letter.headers if pair[0] not in when_failed)
        found[letter.topic, origin].add((letter.key, letter.value, kept))
    for (topic, origin), copies in found.items():
        if len(copies) > 1:
            yield Fault(f"{topic} holds {len(copies)} different letters for {origin}")
    for garbage in evidence.garbage.values():
        for consumer in topic_map()[garbage.topic].consumers:
            name = f"{garbage.topic}.{consumer.group}.dlq"
            if (name, garbage.place) not in found:
                yield Fault(f"{garbage.kind} at {garbage.place} is not in {name}", heals=True)


def _spoiled(letter: Record, garbage: Garbage) -> str | None:
    """What the letter does not keep of the record."""
    headers = dict(letter.headers)
    topic, group = _text(headers, "x-original-topic"), _text(headers, "x-consumer-group")
    if letter.topic != f"{topic}.{group}.dlq":
        return f"it lies on {letter.topic}"
    if _text(headers, "x-error-kind") != "invalid" or not headers.get("x-error-code"):
        return "it does not say why"
    return _spoiled_bytes(letter, garbage, headers) if garbage.is_readable else None


def _spoiled_bytes(
    letter: Record, garbage: Garbage, headers: dict[str, bytes | None]
) -> str | None:
    kept, original = letter.value or b"", garbage.value or b""
    if "x-original-value-cut" in headers:
        if len(kept) < _KEPT_BYTES_MIN or not original.startswith(kept):
            return "its value is cut too short"
    elif kept != original:
        return f"its value is {kept!r}"
    if letter.key != (garbage.key or b""):
        return f"its key is {letter.key!r}"
    if (garbage.value is None) != ("x-original-tombstone" in headers):
        return "it does not tell a tombstone from an empty value"
    lost = [name for name, value in garbage.headers if headers.get(name) != (value or b"")]
    return f"its headers {lost} are others" if lost else None


def _text(headers: dict[str, bytes | None], name: str) -> str:
    return (headers.get(name) or b"").decode()
