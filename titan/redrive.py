"""Put dead letters back on their topics, at a bounded rate, and remember how far.

Doing it twice is safe: the stage's inbox knows what it has handled. A record that still cannot be
understood comes back as a new dead letter, and its old one is behind the mark.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from runtime import limits
from runtime.clock import Clock
from runtime.dead_letter_log import DeadLetterLog, StoredLetter
from runtime.publisher import Publisher


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which dead letters; None means any."""

    topic: str | None = None
    group: str | None = None
    code: str | None = None

    def has(self, letter: StoredLetter) -> bool:
        """Whether the letter is one of them. `topic` is the original one, or the dead letter's."""
        return (
            self.topic in {None, letter.position.topic, letter.header("x-original-topic")}
            and self.group in {None, letter.header("x-consumer-group")}
            and self.code in {None, letter.code}
        )


@dataclass(slots=True)
class Tally:
    """What became of the letters that were read."""

    redriven: int = 0
    repeated: int = 0
    """Failed in several groups: put back once, for all of them."""
    not_whole: int = 0
    """A tombstone, or cut to fit: there is nothing whole to put back."""
    left: int = 0
    """Not selected."""


@dataclass(slots=True)
class _Round:
    """Letters that go out together, and where the marks will stand once they are acknowledged."""

    letters: list[StoredLetter] = field(default_factory=list)
    marks: dict[tuple[str, int], int] = field(default_factory=dict)


async def redrive(
    log: DeadLetterLog,
    publisher: Publisher,
    selection: Selection,
    *,
    clock: Clock,
    rate_per_s: int,
    dry_run: bool = False,
    redriven_too: bool = False,
    progress: Callable[[int], None] = lambda _: None,
) -> Tally:
    """Redrive what is selected; `progress` hears of each letter that was dealt with.

    The mark of a partition moves over the letters that went back, up to the first that was not
    selected; `redriven_too` starts before the marks and moves none. Unknown or Unavailable ends
    it; what was acknowledged until then is marked.
    """
    tally = Tally()
    seen: set[tuple[str, str, str]] = set()
    held: set[tuple[str, int]] = set()
    current = _Round()
    async for letter in log.read(redriven_too=redriven_too):
        place = (letter.position.topic, letter.position.partition)
        if not selection.has(letter):
            tally.left += 1
            held.add(place)
            progress(1)
            continue
        if place not in held and not redriven_too:
            current.marks[place] = letter.position.offset + 1
        if not letter.is_whole:
            tally.not_whole += 1
        elif letter.origin in seen:
            tally.repeated += 1
        else:
            seen.add(letter.origin)
            tally.redriven += 1
            current.letters.append(letter)
        progress(1)
        if len(current.letters) >= min(rate_per_s, limits.BATCH_RECORDS_MAX):
            if not dry_run:
                await _send(log, publisher, current, clock=clock, rate_per_s=rate_per_s)
            current = _Round()
    if not dry_run:
        await _send(log, publisher, current, clock=clock, rate_per_s=rate_per_s)
    return tally


async def _send(
    log: DeadLetterLog, publisher: Publisher, sending: _Round, *, clock: Clock, rate_per_s: int
) -> None:
    began_s = clock.monotonic_s()
    now = clock.now()
    await publisher.publish(
        [letter.redriven(now) for letter in sending.letters],
        deadline_s=limits.STAGE_PUBLISH_S_MAX,
    )
    await log.mark_redriven(sending.marks)
    due_s = began_s + len(sending.letters) / rate_per_s
    await clock.sleep(max(0.0, due_s - clock.monotonic_s()))
