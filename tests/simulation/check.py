"""Whether a life kept its promises, recomputed from the raw log and the clients' histories alone.

Nothing here is decided by the product's code: values are parsed as JSON, ids derived anew, limits
and books counted again. A fault names the invariant that it breaks by the id it has in
`docs/simulation.md`. The one exception says so: the read model is also rebuilt by the house's fold.
"""

from collections.abc import Iterator

from tests.simulation import check_books, check_flow
from tests.simulation.evidence import Evidence
from tests.simulation.world import World


def faults(world: World) -> Iterator[str]:
    """Everything that is wrong with a life that came to rest."""
    yield from world.watch.broken
    yield from (defect for member in world.members for defect in member.defects)
    yield from (f"{member.name} has halted" for member in world.members if member.halted)
    yield from world.nature.loop.failures
    evidence = Evidence(world)
    for check in (*check_flow.CHECKS, *check_books.CHECKS):
        yield from check(evidence)
    _tell_rare_ends(world, evidence)


def _tell_rare_ends(world: World, evidence: Evidence) -> None:
    """Count what only the end of a life shows to have been met."""
    met = world.nature.trace.met
    for fact in evidence.first.values():
        if fact.topic == "payment.refused.v1":
            met[f"a payment was refused: {fact.body['code']}"] += 1
        if fact.topic == "payment.conflicted.v1":
            met["a second body under a used key was recorded as a conflict"] += 1
