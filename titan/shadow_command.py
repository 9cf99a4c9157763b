"""`titan shadow`: what other limits would have decided about past payments."""

import asyncio
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from consumers.risk_screening.app import load_limits
from domain.errors import Invalid
from replay.shadow import Question, Shadow, shadow
from replay.source import open_source
from runtime.clock import SystemClock
from runtime.settings import Settings
from runtime.topics import topic_map
from titan.endpoints import connected_settings
from titan.progress import Bar
from titan.replay_command import ArchiveOption, time_of
from titan.terminal import JsonOption, say, say_json, say_table

EXAMPLES_DEFAULT: Final = 10
_FIRST: Final = "1970-01-01T00:00:00Z"


class Stage(StrEnum):
    """The stages that decide by limits."""

    RISK_SCREENING = "risk_screening"


def shadow_stage(
    *,
    stage: Annotated[Stage, typer.Option(help="Whose decisions.")],
    limits: Annotated[Path, typer.Option(metavar="FILE", help="The limits to try.")],
    begin: Annotated[
        str, typer.Option("--from", metavar="TIME", help="Payments resolved at this time or later.")
    ] = _FIRST,
    end: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="And before this one; default: now.")
    ] = None,
    present: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The limits of then; default: those of this place."),
    ] = None,
    examples: Annotated[int, typer.Option(min=0, help="Examples to list.")] = EXAMPLES_DEFAULT,
    from_archive: ArchiveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Decide past payments again under other limits and list what would differ.

    Nothing is published, written or changed. Exit 0 whether anything differs or not.
    """
    settings = connected_settings(needed=() if from_archive else ("kafka_bootstrap",))
    question = Question(
        limits=load_limits(limits),
        present=load_limits(present or settings.limits_file),
        begin=time_of(begin),
        end=SystemClock().now() if end is None else time_of(end),
        examples_max=examples,
    )
    if question.begin >= question.end:
        raise Invalid("empty_range", "--from has to be before --to")
    with Bar(disable=as_json) as bar:
        found = asyncio.run(_shadow(question, settings, from_archive, bar))
    if as_json:
        say_json(_as_json(stage, question, found))
    else:
        _say(found)


async def _shadow(
    question: Question, settings: Settings, from_archive: Path | None, bar: Bar
) -> Shadow:
    async with open_source(
        [topic.name for topic in topic_map().topics],
        bootstrap=settings.kafka_bootstrap,
        prefix=settings.topic_prefix,
        archive=from_archive,
    ) as source:
        return await shadow(
            source,
            question,
            on_total=lambda count: bar.total("deciding", count),
            on_progress=bar.advance,
        )


def _say(found: Shadow) -> None:
    say(
        f"{found.decided_alike:,} payments would be decided as they were, "
        f"{found.different:,} otherwise"
    )
    if found.undecided:
        say(f"{found.undecided:,} were not decided yet")
    if found.not_by_limits:
        say(f"{found.not_by_limits:,} were not a matter of limits")
    if found.differences:
        say_table(
            ["was", "would be", "payments", "amount_minor", "currency"],
            [
                [
                    *(each.was, each.would_be),
                    *(f"{each.payments:,}", f"{each.amount_minor:,}", each.currency),
                ]
                for each in sorted(found.differences.values(), key=lambda one: -one.payments)
            ],
        )
    if found.examples:
        say_table(
            ["payment", "accepted", "amount_minor", "was", "would be"],
            [
                [
                    str(each.payment_id),
                    each.accepted_at.isoformat(),
                    f"{each.amount_minor:,} {each.currency}",
                    each.was,
                    each.would_be,
                ]
                for each in found.examples
            ],
        )


def _as_json(stage: Stage, question: Question, found: Shadow) -> dict[str, object]:
    return {
        "stage": stage.value,
        "from": _time(question.begin),
        "to": _time(question.end),
        "decided_alike": found.decided_alike,
        "different": found.different,
        "undecided": found.undecided,
        "not_by_limits": found.not_by_limits,
        "before": found.before,
        "differences": [
            {
                "was": each.was,
                "would_be": each.would_be,
                "currency": each.currency,
                "payments": each.payments,
                "amount_minor": each.amount_minor,
            }
            for each in found.differences.values()
        ],
        "examples": [
            {
                "payment_id": each.payment_id,
                "payer_account_id": each.payer_account_id,
                "amount_minor": each.amount_minor,
                "currency": each.currency,
                "accepted_at": _time(each.accepted_at),
                "was": each.was,
                "would_be": each.would_be,
                "position": f"{each.position.topic}/{each.position.partition}"
                f"/{each.position.offset}",
            }
            for each in found.examples
        ],
    }


def _time(time: datetime) -> str:
    return time.isoformat()
