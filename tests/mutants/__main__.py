"""Plant each bug in a copy of the house and see whether its check catches it: `make mutants`.

First all checks run on an unharmed copy, where they must pass. Exit code 1 if a patch does not
apply, if a check is broken, or if more than one bug survives; then the page is not written.
"""

import argparse
import asyncio
import queue
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from tests.mutants.copies import Copy, Fate, Result
from tests.mutants.patches import PAGE, ROOT, Mutant, mutants
from titan.servers import ServerPlan, Servers

SURVIVORS_MAX = 1


def main() -> int:
    """0 if at most one bug survives."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("names", nargs="*", help="only these (then no page is written)")
    parser.add_argument("-j", "--jobs", type=int, default=2, help="copies to work on at once")
    options = parser.parse_args()
    chosen = [each for each in mutants() if not options.names or each.name in options.names]
    began = datetime.now(UTC)
    with (
        tempfile.TemporaryDirectory(prefix="titan-mutants-") as directory,
        _servers(Path(directory) / "servers", chosen) as environment,
    ):
        copies = [
            Copy(Path(directory) / f"copy-{number}", environment) for number in range(options.jobs)
        ]
        say(f"{len(chosen)} planted bugs; first, their checks on an unharmed copy ...")
        code, tail = copies[0].check(sorted({each.check for each in chosen}), jobs=options.jobs)
        if code != 0:
            say(f"{tail}\nThe checks fail where nothing is planted.")
            return 1
        results = list(_judged(chosen, copies))
    results.sort(key=lambda result: result.mutant.name)
    caught = sum(result.fate is Fate.CAUGHT for result in results)
    minutes = (datetime.now(UTC) - began).total_seconds() / 60
    say(f"{caught} of {len(results)} planted bugs were caught, in {minutes:.0f} minutes")
    survivors = sum(result.fate is Fate.SURVIVED for result in results)
    if caught + survivors < len(results) or survivors > SURVIVORS_MAX:
        return 1
    if not options.names:
        PAGE.write_text("\n".join(page(results, began)) + "\n", "utf-8")
        say(f"written: {PAGE.relative_to(ROOT)}")
    return 0


def page(results: Sequence[Result], at: datetime) -> Iterator[str]:
    """The page that tells what was planted and what caught it."""
    caught = sum(result.fate is Fate.CAUGHT for result in results)
    yield "# Planted bugs"
    yield ""
    yield "A check that never fails proves nothing. So `make mutants` plants each of these bugs in"
    yield "a copy of the house and runs the one check that is named to catch it; before that, the"
    yield "check passes on an unharmed copy. The patches lie in `tests/mutants/`; that each still"
    yield "applies is a test of `make test`. At most one may survive."
    yield ""
    yield f"On {at:%Y-%m-%d}: **{caught} of {len(results)} caught.**"
    yield ""
    yield "| Planted | What it breaks | Fate | Check | s |"
    yield "| --- | --- | --- | --- | ---: |"
    for result in results:
        mutant = result.mutant
        yield (
            f"| {mutant.name} | {mutant.breaks} | {result.fate.value} "
            f"| `{mutant.check}` | {result.seconds:.0f} |"
        )


def say(text: str) -> None:
    """Tell whoever watches."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _judged(chosen: Sequence[Mutant], copies: Sequence[Copy]) -> Iterator[Result]:
    """Each copy takes one bug after the other."""
    free: queue.SimpleQueue[Copy] = queue.SimpleQueue()
    for copy in copies:
        free.put(copy)

    def judge(mutant: Mutant) -> Result:
        copy = free.get()
        try:
            return copy.judge(mutant)
        finally:
            free.put(copy)

    with ThreadPoolExecutor(len(copies)) as pool:
        for future in as_completed([pool.submit(judge, mutant) for mutant in chosen]):
            result = future.result()
            say(f"{result.fate.value:>8}  {result.seconds:5.0f} s  {result.mutant.name}")
            if result.fate in {Fate.BROKEN, Fate.SURVIVED}:
                say(result.tail)
            yield result


@contextmanager
def _servers(directory: Path, chosen: Sequence[Mutant]) -> Iterator[dict[str, str]]:
    """Real servers for the checks that need them, started once for all."""
    files = {ROOT / each.check.partition("::")[0] for each in chosen}
    if not any("mark.real" in file.read_text("utf-8") for file in files):
        yield {}
        return
    say("starting servers ...")
    servers = Servers(ServerPlan(directory=directory), progress=say)
    endpoints = asyncio.run(servers.start())
    try:
        yield {
            "TITAN_KAFKA_BOOTSTRAP": endpoints.kafka_bootstrap,
            "TITAN_POSTGRES_DSN": endpoints.postgres_dsn,
            "TITAN_REDIS_URL": endpoints.redis_url,
        }
    finally:
        asyncio.run(servers.stop())


if __name__ == "__main__":
    sys.exit(main())
