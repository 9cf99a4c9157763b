"""The check of a campaign, in a process of its own: `python -m titan.chaos.verdict DIRECTORY`.

It reads the client's journal, what was strewn, the log and the tables of the Titan that still runs
there, and prints what it found as one JSON document.
"""

import asyncio
import gc
import json
import resource
import sys
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

from domain.errors import TitanError
from runtime.clock import SystemClock
from titan.chaos.books import BrokenPromiseError, check
from titan.chaos.garbage import from_json
from titan.chaos.history import read_history
from titan.chaos.payer import JOURNAL
from titan.chaos.sightings import from_evidence
from titan.chaos.told import read_hearing
from titan.endpoints import read_endpoints

STREWN: Final = "garbage.json"


class Verdict(BaseModel):
    """What the check came to."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    broken: str | None
    """The gravest counter-example with its timeline; None if every promise was kept."""
    payments: int = 0
    ended: dict[str, int] = {}
    slowest_s: float = 0.0
    """The longest from acceptance to the end."""
    resolved_unknowns: int = 0
    sights: dict[str, int] = {}
    told: int = 0
    """Events that the client's endpoints were told of, each at each."""
    noticed: int = 0
    """Notifications, those that summaries count among them."""
    checked_s: float = 0.0
    memory_mb: int = 0


async def judge(directory: Path) -> Verdict:
    """Check everything; a broken promise is a verdict, no error."""
    clock = SystemClock()
    began_s = clock.monotonic_s()
    endpoints = read_endpoints(directory)
    if endpoints is None:
        raise TitanError(f"no Titan runs on {directory}")
    history = read_history(directory / JOURNAL, seed=0)
    strewn = directory / STREWN
    garbage = from_json(strewn.read_text("utf-8")) if strewn.exists() else []
    found: dict[str, Any]
    try:
        books, evidence = await check(
            history,
            garbage,
            bootstrap=endpoints.kafka_bootstrap,
            dsn=endpoints.postgres_dsn,
            hear=lambda: read_hearing(directory),
        )
    except BrokenPromiseError as error:
        found = {"broken": str(error)}
    else:
        found = {
            "broken": None,
            "payments": books.payments,
            "ended": dict(books.ended),
            "slowest_s": books.slowest_s,
            "sights": from_evidence(evidence),
            "told": len(
                {(heard.endpoint_id, heard.message_id) for heard in evidence.hearing.heard}
            ),
            "noticed": sum(row["count"] for row in evidence.tables["notifications"]),
        }
    return Verdict(
        **found,
        resolved_unknowns=sum(each.was_unknown and each.is_answered for each in history.intents),
        checked_s=clock.monotonic_s() - began_s,
        memory_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    )


if __name__ == "__main__":
    # Millions of objects, none of which goes before the end: looking for dead ones finds nothing.
    gc.disable()
    sys.stdout.write(json.dumps(asyncio.run(judge(Path(sys.argv[1]))).model_dump()) + "\n")
