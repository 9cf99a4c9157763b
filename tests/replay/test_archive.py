"""An archive: added to, killed, spoilt, and read when the broker has nothing left."""

import asyncio
import fcntl
import os
import signal
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from replay.archive import Archive
from replay.manifest import FILE, save_manifest
from replay.vector import Place as Partition
from replay.vector import places_of
from runtime import limits
from tests.replay.people import conflict, life
from tests.replay.place import Place
from tests.support.waiting import eventually
from titan.chaos.garbage import BROKEN_NAME

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

ROOT = Path(__file__).parents[2]
REQUESTED = "payment.requested.v1"
FAR = "2100-01-01T00:00:00Z"


@pytest.fixture
async def kept(place: Place, tmp_path: Path) -> Path:
    """An archive of some payments, up to date."""
    # One after the other: a broker hands out whole batches, and what is told at once may be one.
    for number in range(20):
        await place.tell(*life(number))
    directory = tmp_path / "kept"
    code, said = await place.titan("archive", str(directory))
    assert (code, said["gone"]) == (0, [])
    return directory


async def test_a_second_run_adds_what_came_and_a_third_adds_nothing(
    place: Place, kept: Path
) -> None:
    first = sorted(segments(kept))
    await place.tell(*life(1), *conflict(2))

    code, said = await place.titan("archive", str(kept))
    assert (code, said["records"]) == (0, 7)
    assert set(first) < set(segments(kept))
    code, said = await place.titan("archive", str(kept))
    assert (code, said["records"], said["segments"]) == (0, 0, 0)

    code, verified = await place.titan("archive", str(kept), "--verify")
    ends = await place.ends()
    assert (code, verified["faults"]) == (0, [])
    assert verified["records"] == sum(n for p, n in ends.items() if not p.topic.endswith(".dlq"))


async def test_what_comes_out_is_what_lies_on_the_broker(place: Place, kept: Path) -> None:
    live = await place.replay("payments", "--at", FAR)
    archived = await place.replay("payments", "--at", FAR, "--from-archive", str(kept))

    assert live[1]["tables"] == archived[1]["tables"]
    assert live[1]["events"] == archived[1]["events"]


async def test_one_topic_can_be_archived_alone(place: Place, kept: Path, tmp_path: Path) -> None:
    one = tmp_path / "one"
    assert (await place.titan("archive", str(one), "--topics", REQUESTED))[0] == 0

    assert {path.parent.name for path in segments(one)} == {REQUESTED}
    code, _ = await place.titan("archive", str(one), "--topics", "payment.forgotten.v1")
    assert code == 2


async def test_each_flipped_byte_is_told_with_its_file(place: Place, kept: Path) -> None:
    for path in [*sorted(segments(kept))[:4], kept / FILE]:
        whole = path.read_bytes()
        for at in (0, len(whole) // 2, len(whole) - 2):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
            code, said = await place.titan("archive", str(kept), "--verify")
            assert code in {1, 2}
            assert path.name in str(said)
            code, said = await place.replay("payments", "--at", FAR, "--from-archive", str(kept))
            assert (code, path.name in said) == (2, True)
        path.write_bytes(whole)
    assert (await place.titan("archive", str(kept), "--verify"))[0] == 0


async def test_what_one_of_many_readers_finds_is_told_as_one_alone_tells_it(
    place: Place, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "REPLAY_PARALLEL_RECORDS_MIN", 1)
    [path, *_] = sorted(segments(kept))
    path.write_bytes(path.read_bytes()[:-1])

    code, said = await place.replay("payments", "--at", FAR, "--from-archive", str(kept))

    assert (code, path.name in said) == (2, True)


async def test_a_segment_that_is_gone_is_told(place: Place, kept: Path) -> None:
    [path, *_] = segments(kept)
    path.unlink()

    code, said = await place.titan("archive", str(kept), "--verify")

    assert (code, len(said["faults"])) == (1, 1)
    assert path.name in said["faults"][0]


async def test_killed_in_the_middle_it_leaves_a_valid_archive(place: Place, tmp_path: Path) -> None:
    await place.tell(*[event for number in range(400) for event in life(number)])
    directory = tmp_path / "killed"
    records = 0
    for _ in range(3):
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "titan", "archive", str(directory), "--json"),
            cwd=ROOT,
            env=os.environ | place.environment,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        enough = len(list(segments(directory))) + 3
        await eventually(partial(has_segments, directory, enough), 60)
        assert process.returncode is None
        process.send_signal(signal.SIGKILL)
        await process.wait()

        code, verified = await place.titan("archive", str(directory), "--verify")
        assert (code, verified["faults"]) == (0, [])
        assert verified["records"] >= records
        records = verified["records"]

    stray = directory / REQUESTED / "00000-00000000000000000000-00000000000000000007.seg.zst.new"
    stray.parent.mkdir(exist_ok=True)
    stray.write_bytes(b"half")
    assert (await place.titan("archive", str(directory)))[0] == 0
    assert not stray.exists()
    code, verified = await place.titan("archive", str(directory), "--verify")
    ends = await place.ends()
    assert (code, verified["faults"]) == (0, [])
    assert verified["records"] == sum(n for p, n in ends.items() if not p.topic.endswith(".dlq"))


async def test_small_segments_meet_without_a_gap(
    place: Place, kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "ARCHIVE_SEGMENT_BYTES", 1)
    monkeypatch.setattr(limits, "REPLAY_FETCH_BYTES", 700)
    small = tmp_path / "small"
    assert (await place.titan("archive", str(small)))[0] == 0

    assert len(list(segments(small))) > len(list(segments(kept)))
    assert (await place.titan("archive", str(small), "--verify"))[0] == 0
    for partition in places_of([REQUESTED]):
        assert records_of(small, partition) == records_of(kept, partition)


async def test_a_record_that_no_client_can_read_is_kept_as_such(place: Place, kept: Path) -> None:
    good = [event for number in range(6) for event in life(number)]
    await place.litter(REQUESTED, BROKEN_NAME, 0)
    await place.tell(*good)
    await place.litter(REQUESTED, BROKEN_NAME, 1)

    code, said = await place.titan("archive", str(kept))
    assert (code, said["records"]) == (0, len(good) + 2)
    live = await place.replay("payments", "--at", FAR)
    archived = await place.replay("payments", "--at", FAR, "--from-archive", str(kept))
    assert live[1]["tables"] == archived[1]["tables"]
    assert live[1]["passed_over"] == archived[1]["passed_over"] == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [({"last_record_sha256": "0" * 64}, "another record at"), ({"next": 10**6}, "ends before")],
)
async def test_an_archive_of_another_log_is_not_gone_on_with(
    place: Place, kept: Path, change: dict[str, Any], words: str
) -> None:
    """A topic was deleted and made anew, or somebody gave the wrong directory."""
    manifest = Archive(kept).manifest
    number, listed = next(iter(manifest.topics[REQUESTED].items()))
    manifest.topics[REQUESTED][number] = [listed[0].model_copy(update=change)]
    save_manifest(kept, manifest)

    for command in (
        ["archive", str(kept)],
        ["replay", "--projection", "payments", "--from-archive", str(kept)],
    ):
        code, said = await place.titan(*command)
        assert (code, words in said, "another log" in said) == (2, True, True)


async def test_two_runs_do_not_write_to_one_archive(place: Place, kept: Path) -> None:
    with (kept / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        code, said = await place.titan("archive", str(kept))

    assert (code, "another run" in said) == (1, True)


async def test_what_is_no_archive_is_told(place: Place, tmp_path: Path) -> None:
    code, said = await place.titan("archive", str(tmp_path), "--verify")
    assert (code, "holds no archive" in said) == (2, True)
    code, said = await place.replay("payments", "--from-archive", str(tmp_path / "nowhere"))
    assert (code, "holds no archive" in said) == (2, True)
    (tmp_path / "file").touch()
    assert (await place.titan("archive", str(tmp_path / "file" / "below")))[0] == 2


def has_segments(directory: Path, count: int) -> bool:
    return len(list(segments(directory))) >= count


def segments(directory: Path) -> Iterator[Path]:
    return directory.glob("*/*.seg.*[!w]")


def records_of(directory: Path, partition: Partition) -> list[Any]:
    archive = Archive(directory)
    end = archive.end(partition)
    return [record for batch in archive.read(partition, 0, end) for record in batch]
