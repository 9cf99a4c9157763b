"""Which faults strike when: drawn from a seed, so the same seed gives the same campaign. Pure."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Final


class Kind(StrEnum):
    """Every kind of fault that a campaign knows."""

    KILL_STAGE = "kill -9 of a stage"
    KILL_EDGE = "kill -9 of an edge"
    KILL_DELIVERY = "kill -9 of who delivers webhooks"
    KILL_KAFKA = "kill -9 of Kafka"
    KILL_POSTGRES = "kill -9 of PostgreSQL"
    KILL_VALKEY = "kill -9 of Valkey"
    KILL_CLIENT = "kill -9 of the client"
    KILL_ALL = "kill -9 of everything"
    CRASH_POINT = "kill -9 at a named point"
    PAUSE_STAGE = "stage stopped for a while"
    PAUSE_EDGE = "edge stopped for a while"
    PAUSE_DELIVERY = "who delivers webhooks stopped for a while"
    FLAPPING = "endpoint flapping"
    PAUSE_KAFKA = "Kafka stopped for a while"
    PAUSE_POSTGRES = "PostgreSQL stopped for a while"
    PAUSE_VALKEY = "Valkey stopped for a while"
    ZOMBIE = "stage made a zombie"
    REBALANCES = "rebalance storm"
    DELAY_KAFKA = "slow link to Kafka"
    DELAY_POSTGRES = "slow link to PostgreSQL"
    DELAY_VALKEY = "slow link to Valkey"
    CUT_KAFKA = "links to Kafka cut"
    CUT_POSTGRES = "links to PostgreSQL cut"
    CUT_VALKEY = "links to Valkey cut"
    CUT_CLIENTS = "links to the edges cut"
    HOLE_KAFKA = "Kafka in a black hole"
    HOLE_POSTGRES = "PostgreSQL in a black hole"
    HOLE_VALKEY = "Valkey in a black hole"
    LOSE_COMMIT = "reply to COMMIT lost"
    LOSE_PRODUCE = "reply to a publish lost"
    LOSE_OFFSETS = "reply to an offset commit lost"
    LOSE_CACHE = "reply of the cache lost"
    LOSE_ANSWER = "answer to a client lost"
    FLUSH_CACHE = "FLUSHALL"
    DUPLICATES = "duplicate records"
    GARBAGE = "garbage records"
    FULL_DISK = "full disk"


@dataclass(frozen=True, slots=True)
class Actors:
    """What can be hit by name."""

    stages: Sequence[str]
    edges: Sequence[str]
    pools: Sequence[str]


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. `target` names a stage or an edge, or is `*`; `draw` decides what is left open."""

    kind: Kind
    target: str
    duration_s: float
    draw: int


Round = tuple[Fault, ...]
"""Faults that strike at the same moment."""

PAYMENTS: Final = "payments"
"""The edge that takes payments."""
DECIDING: Final = ("handle_resolution", "risk_screening", "ledger_posting")
"""Stages that have an inbox and payments to decide on."""

QUIET: Final = frozenset({"edges", "account_freezing"})
"""What no payment passes: it dies and pauses like all others, but reaches none of the points at
which one can be ordered to die."""

_ON_STAGES: Final = {Kind.KILL_STAGE, Kind.PAUSE_STAGE}
_ON_EDGES: Final = {Kind.KILL_EDGE, Kind.PAUSE_EDGE}
_ON_POOLS: Final = {Kind.KILL_DELIVERY, Kind.PAUSE_DELIVERY}
_ON_PAYMENTS: Final = {Kind.LOSE_CACHE}
_ON_DECIDING: Final = {Kind.ZOMBIE, Kind.LOSE_COMMIT, Kind.LOSE_OFFSETS}
_ON_PUBLISHING: Final = {Kind.LOSE_PRODUCE}
_ON_ANY: Final = {
    *(Kind.DELAY_KAFKA, Kind.DELAY_POSTGRES),
    *(Kind.CUT_KAFKA, Kind.CUT_POSTGRES, Kind.HOLE_KAFKA, Kind.HOLE_POSTGRES),
}
_EVERYBODY: Final = 0.4
"""So often a fault of a link concerns everybody's."""

# They need the place for themselves: what they bring about takes several processes in turn, or
# has to be known to the last record.
_ALONE: Final = frozenset(
    {
        *(Kind.ZOMBIE, Kind.REBALANCES, Kind.KILL_ALL, Kind.CRASH_POINT),
        *(Kind.FULL_DISK, Kind.GARBAGE, Kind.DUPLICATES),
    }
)

# Each at least once; beyond that, what comes back soon comes more often.
_WEIGHTS: Final = {
    **dict.fromkeys(Kind, 4),
    **dict.fromkeys((Kind.KILL_KAFKA, Kind.KILL_ALL, Kind.ZOMBIE, Kind.REBALANCES), 1),
    **dict.fromkeys((Kind.KILL_POSTGRES, Kind.GARBAGE, Kind.FULL_DISK, Kind.PAUSE_KAFKA), 2),
    **dict.fromkeys((Kind.KILL_STAGE, Kind.CRASH_POINT), 6),
}
_SHORT_S: Final = (0.3, 3.0)
_COMPANY: Final = (0.6, 0.9)
"""Up to the first a fault strikes alone, up to the second two do, beyond it three."""


def rounds(
    seed: int, faults: int, *, actors: Actors, without: Collection[Kind] = ()
) -> list[Round]:
    """That many faults in rounds; every kind comes once before any is drawn at random."""
    chance = Random(f"schedule {seed}")  # noqa: S311 - the same seed has to give the same list
    kinds = [kind for kind in Kind if kind not in without]
    chance.shuffle(kinds)
    weights = [_WEIGHTS[kind] for kind in kinds]
    drawn = kinds[:faults]
    drawn += chance.choices(kinds, weights, k=faults - len(drawn))
    planned = [_fault(kind, chance, actors) for kind in drawn]
    return _grouped(planned, chance)


def _fault(kind: Kind, chance: Random, actors: Actors) -> Fault:
    everybody = (*actors.edges, *actors.stages)
    busy = [room for room in everybody if room not in QUIET]
    if kind in _ON_STAGES:
        target = chance.choice(actors.stages)
    elif kind in _ON_EDGES:
        target = chance.choice(actors.edges)
    elif kind in _ON_POOLS:
        target = chance.choice(actors.pools)
    elif kind in _ON_DECIDING:
        target = chance.choice(DECIDING)
    elif kind in _ON_PAYMENTS:
        target = PAYMENTS
    elif kind in _ON_PUBLISHING:
        target = chance.choice((PAYMENTS, *DECIDING))
    elif kind is Kind.CRASH_POINT:
        target = chance.choice(busy)
    elif kind in _ON_ANY and chance.random() > _EVERYBODY:
        target = chance.choice(everybody)
    else:
        target = "*"
    return Fault(kind, target, round(chance.uniform(*_SHORT_S), 2), chance.getrandbits(32))


def _grouped(planned: Sequence[Fault], chance: Random) -> list[Round]:
    found: list[Round] = []
    waiting = list(planned)
    while waiting:
        first = waiting.pop(0)
        company = [first]
        size = 1 + sum(chance.random() > bound for bound in _COMPANY)
        while len(company) < size and waiting and _may_join(waiting[0], company):
            company.append(waiting.pop(0))
        found.append(tuple(company))
    return found


def _may_join(fault: Fault, company: Sequence[Fault]) -> bool:
    """Whether two faults do not stand in each other's way."""
    return not any(
        fault.kind in _ALONE or other.kind in _ALONE or fault.kind is other.kind
        for other in company
    )
