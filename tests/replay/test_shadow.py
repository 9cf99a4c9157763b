"""Past payments under other limits: as the stage itself would have decided them.

Method: the real stage over memory ports decides drawn payments under some limits; that is the log.
What shadow says of other limits is held against the stage under those.
"""

import asyncio
import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from consumers.risk_screening.handler import on_payments_resolved
from consumers.risk_screening.store import MemoryPayers
from domain.limits import RiskLimits
from replay.shadow import Question, Shadow, shadow
from replay.source import open_source
from runtime.stage import Stage
from runtime.topics import topic_map
from schemas.account import AccountOpened, Tier
from schemas.payment import PaymentRefused
from schemas.wire import Message
from tests.replay.place import Place
from tests.replay.written import write_archive
from tests.support.directory_events import opening_requested
from tests.support.events import ALICE, BOB, resolved
from tests.support.memory_stage import NOW, MemoryStage, message_of
from titan.cli import app

TIERS = {ALICE: Tier.UNVERIFIED, BOB: Tier.VERIFIED, uuid5(ALICE, "system"): Tier.SYSTEM}
LATER = NOW + timedelta(days=3)


def limits(*, each: int, day: int, count: int, window_s: int = 60) -> RiskLimits:
    tier = {
        "payment_amount_minor_max": {"*": each},
        "daily_amount_minor_max": {"*": day},
        "velocity": {"payments_max": count, "window_s": window_s},
    }
    return RiskLimits.model_validate(
        {
            "tiers": {"unverified": tier, "verified": tier, "business": tier},
            "unlimited": ["system"],
        }
    )


any_limits = st.builds(
    limits, each=st.integers(0, 60), day=st.integers(0, 150), count=st.integers(1, 4)
)
any_payments = st.lists(
    st.tuples(st.sampled_from(list(TIERS)), st.integers(1, 60), st.integers(0, 90_000)),
    max_size=14,
)


class Past:
    """What a stage decided under its limits, one payment a second, and the log of it."""

    def __init__(self, wanted: RiskLimits) -> None:
        self.payers = MemoryPayers()
        for account_id, tier in TIERS.items():
            self.payers.open(account_id, tier)
        self.log: list[tuple[datetime, Message]] = [
            (NOW, message_of(AccountOpened(**opening.model_dump())))
            for account_id, tier in TIERS.items()
            for opening in [opening_requested(account_id, account_id=account_id, tier=tier)]
        ]
        self.outcomes: list[str] = []
        self.limits = wanted

    async def decide(self, payments: Sequence[tuple[UUID, int, int]]) -> None:
        stage = MemoryStage(
            Stage(
                "risk_screening",
                partial(on_payments_resolved, payers=self.payers, limits=self.limits),
            )
        )
        for payer, amount_minor, after_s in payments:
            number = len(self.outcomes)
            event = resolved(
                payment_id=uuid5(ALICE, str(number)),
                payer_account_id=payer,
                amount_minor=amount_minor,
                accepted_at=NOW + timedelta(seconds=after_s),
            )
            message = message_of(event)
            await stage.deliver_messages([message, message] if number % 5 == 0 else [message])
            appended_at = self.second(number)
            self.log += [(appended_at, message), (appended_at, stage.publisher.published[-1])]
            match stage.published()[-1]:
                case PaymentRefused(code=code):
                    self.outcomes.append(code.value)
                case _:
                    self.outcomes.append("screened")

    @staticmethod
    def second(number: int) -> datetime:
        return NOW + timedelta(seconds=number)

    async def under(self, other: RiskLimits, begin: datetime = NOW) -> Shadow:
        question = Question(
            limits=other, present=self.limits, begin=begin, end=LATER, examples_max=99
        )
        with tempfile.TemporaryDirectory() as name:
            directory = Path(name, "log")
            write_archive(directory, self.log, complete_until=LATER + timedelta(seconds=1))
            async with open_source(
                [topic.name for topic in topic_map().topics],
                bootstrap=None,
                prefix="",
                archive=directory,
            ) as source:
                return await shadow(
                    source, question, on_total=lambda _: None, on_progress=lambda _: None
                )


def changed(found: Shadow) -> dict[UUID, tuple[str, str]]:
    return {each.payment_id: (each.was, each.would_be) for each in found.examples}


@settings(deadline=None, max_examples=60)
@given(any_limits, any_payments)
def test_under_the_limits_of_then_nothing_differs(
    then: RiskLimits, payments: list[tuple[UUID, int, int]]
) -> None:
    async def check() -> None:
        past = Past(then)
        await past.decide(payments)
        for begin in (NOW, Past.second(len(payments) // 2)):
            found = await past.under(then, begin)
            assert (found.different, found.undecided) == (0, 0)
            assert found.before + found.decided_alike == len(payments)

    asyncio.run(check())


@settings(deadline=None, max_examples=60)
@given(any_limits, any_limits, any_payments, any_payments)
def test_other_limits_from_an_instant_on_decide_as_the_stage_would_have(
    then: RiskLimits,
    other: RiskLimits,
    before: list[tuple[UUID, int, int]],
    after: list[tuple[UUID, int, int]],
) -> None:
    async def check() -> None:
        past, alternative = Past(then), Past(then)
        for run in (past, alternative):
            await run.decide(before)
        alternative.limits = other
        for run in (past, alternative):
            await run.decide(after)

        found = await past.under(other, Past.second(len(before)))

        assert changed(found) == {
            uuid5(ALICE, str(number)): pair
            for number, pair in enumerate(zip(past.outcomes, alternative.outcomes, strict=True))
            if pair[0] != pair[1]
        }
        assert found.different == len(found.examples)
        sums = sum(each.amount_minor for each in found.differences.values())
        assert sums == sum(each.amount_minor for each in found.examples)

    asyncio.run(check())


async def test_what_was_not_decided_yet_and_what_limits_do_not_decide_are_counted_apart() -> None:
    past = Past(limits(each=50, day=500, count=9))
    await past.decide([(ALICE, 10, 0), (ALICE, 20, 1)])
    undecided = message_of(resolved(payment_id=uuid5(BOB, "late"), payer_account_id=BOB))
    stranger = message_of(resolved(payment_id=uuid5(BOB, "?"), payer_account_id=uuid5(BOB, "?")))
    past.log += [(past.second(5), undecided), (past.second(6), stranger)]

    found = await past.under(past.limits)

    assert (found.decided_alike, found.undecided, found.not_by_limits) == (2, 1, 1)


def test_the_command_tells_counts_amounts_and_examples(tmp_path: Path) -> None:
    past = Past(limits(each=50, day=500, count=9))
    asyncio.run(past.decide([(ALICE, 10, 0), (ALICE, 40, 1), (BOB, 45, 2), (ALICE, 60, 3)]))
    write_archive(tmp_path / "log", past.log, complete_until=LATER + timedelta(days=1))
    files = {}
    for name, wanted in (("then", past.limits), ("new", limits(each=30, day=500, count=9))):
        files[name] = tmp_path / f"{name}.yaml"
        files[name].write_text(yaml.safe_dump(wanted.model_dump(mode="json")), "utf-8")

    result = run_shadow(tmp_path, files, "--json", "--examples", "1")
    found = json.loads(result.stdout)
    assert (found["decided_alike"], found["different"]) == (2, 2)
    assert found["differences"] == [
        {
            "was": "screened",
            "would_be": "amount_over_limit",
            "currency": "USD",
            "payments": 2,
            "amount_minor": 85,
        }
    ]
    assert len(found["examples"]) == 1
    assert "would be" in run_shadow(tmp_path, files).stdout
    later = past.second(3).isoformat()
    found = json.loads(run_shadow(tmp_path, files, "--json", "--from", later).stdout)
    assert (found["before"], found["decided_alike"]) == (3, 1)
    assert run_shadow(tmp_path, files, "--from", "2027-01-01T00:00:00Z").exit_code == 2
    files["new"].write_text("tiers: {}", "utf-8")
    assert run_shadow(tmp_path, files).exit_code == 2


def run_shadow(tmp_path: Path, files: dict[str, Path], *more: str) -> Any:
    return CliRunner().invoke(
        app,
        [
            *("shadow", "--stage", "risk_screening", "--limits", str(files["new"])),
            *("--present", str(files["then"]), "--from-archive", str(tmp_path / "log")),
            *("--to", LATER.isoformat(), *more),
        ],
    )


@pytest.mark.real
@pytest.mark.timeout(120)
async def test_of_a_living_stage_nothing_differs_under_its_own_limits(
    place: Place, tmp_path: Path
) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(
        yaml.safe_dump(limits(each=50, day=120, count=4).model_dump(mode="json")), "utf-8"
    )
    place = replace(place, settings=place.settings.model_copy(update={"limits_file": own}))
    async with place.living("account_opening", "risk_screening"):
        await place.tell(*(opening_requested(a, account_id=a) for a in (ALICE, BOB)))
        await place.until_done("account_opening")
        await place.tell(
            *(
                resolved(
                    payment_id=uuid5(BOB, str(number)),
                    payer_account_id=(ALICE, BOB)[number % 2],
                    amount_minor=10 + number,
                )
                for number in range(50)
            )
        )
        await place.until_done("risk_screening")
    question = ["--stage", "risk_screening", "--limits", str(own), "--present", str(own)]

    code, found = await place.titan("shadow", *question)

    assert (code, found["decided_alike"], found["different"]) == (0, 50, 0)
