"""What counts as seen: only what log, tables, clients and stages tell."""

import json
from pathlib import Path

from tests.chaos.test_books import POSTED, posted, requested, sound
from tests.support.memory_stage import NOW
from titan.chaos.sightings import Sight, from_evidence, from_logs


def test_sound_evidence_without_mishaps_shows_little() -> None:
    seen = from_evidence(sound())
    assert {sight for sight, count in seen.items() if count} == {Sight.SET_ASIDE}


def test_a_record_that_comes_again_was_ignored_by_its_reader() -> None:
    evidence = sound()
    evidence.add([requested(POSTED), requested(POSTED)])
    assert from_evidence(evidence)[Sight.DUPLICATE] == 2


def test_a_repeat_that_nobody_decides_on_shows_nothing() -> None:
    evidence = sound()
    evidence.add([posted(), posted()])
    assert from_evidence(evidence)[Sight.DUPLICATE] == 0


def test_a_doubt_counts_if_the_payment_was_in_the_log_all_along() -> None:
    evidence = sound()
    intent = next(each for each in evidence.history.intents if each.payment_id == POSTED)
    intent.notes.insert(1, (NOW.timestamp() + 1, "unknown: 503 outcome_unknown"))
    assert from_evidence(evidence)[Sight.UNKNOWN] == 1


def test_a_doubt_about_what_had_not_been_taken_yet_does_not() -> None:
    evidence = sound()
    intent = next(each for each in evidence.history.intents if each.payment_id == POSTED)
    intent.notes.insert(1, (0.0, "unknown: ConnectionResetError"))
    assert from_evidence(evidence)[Sight.UNKNOWN] == 0


def test_stages_are_taken_at_their_word(tmp_path: Path) -> None:
    said = [
        {"event": "unavailable", "error": "an event of the batch was decided before"},
        {"event": "unavailable", "error": "PostgreSQL: DiskFullError"},
        {"event": "unavailable", "error": "no acknowledgement within the deadline"},
        {"event": "commit_failed", "error": "IllegalStateError"},
        {"event": "rebalance_waits_for_batch"},
        {"event": "started"},
    ]
    lines = [*map(json.dumps, said), "Traceback", '{"event": "unavail', "[1]"]
    (tmp_path / "worker-1.log").write_text("\n".join(lines))
    (tmp_path / "worker-1.log.1").write_text(lines[0])

    assert from_logs(tmp_path) == {
        Sight.TRIED_AGAIN: 4,
        Sight.REFUSED: 2,
        Sight.DISK: 1,
        Sight.STALE_OFFSETS: 1,
        Sight.REBALANCE: 1,
    }
