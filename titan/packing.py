"""Which stages run in which process: pure, so that the same numbers give the same plan.

Those that tell people never share a process with those that move money, and run at a lower
priority: where both want the same CPU the payments have it, and telling catches up afterwards.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from runtime.topics import TELLING, TopicMap

STAGE_WEIGHTS_US: Final[Mapping[str, int]] = {
    "handle_resolution": 90,
    "risk_screening": 100,
    "ledger_posting": 130,
    "payment_projection": 200,
    "handle_directory": 2,
    "account_opening": 2,
    "webhooks": 60,
    "event_feed": 120,
    "account_freezing": 1,
    "notifications": 100,
}
"""CPU microseconds that a stage spends for one payment: measured over 5,000 payments in bulk, one
process a stage, on a busy machine, so only their proportions count. Handles and accounts change
seldom."""

_WEIGHT_UNKNOWN_US: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """The stages of one process. `replica` numbers the processes that run the same stage, from 0.

    A stage's replica has the same number in every plan, so it may name the member of a consumer
    group: with other names, each change of the plan would leave members that Kafka waits for.
    """

    name: str
    stages: tuple[str, ...]
    replica: int


def stages_of(topics: TopicMap) -> dict[str, int]:
    """Every stage of the map (the room's name), and how many processes of it can have work."""
    stages: dict[str, int] = {}
    for topic in topics.topics:
        for reader in topic.consumers:
            name = reader.stage.removeprefix("consumers.")
            stages[name] = max(stages.get(name, 0), topic.partitions)
    return stages


def may_be_late(stages: Collection[str]) -> bool:
    """Whether all that these stages do is tell people."""
    return TELLING.issuperset(stages)


def pack(stages: Mapping[str, int], processes: int) -> list[Pack]:
    """Spread the stages over the processes, evenly by weight, those that tell apart.

    Those that tell get one process more, until there are enough for each stage to have its own.
    With more than that the heaviest stages get replicas, never more than they have partitions;
    processes beyond that would have nothing to do and are left out.
    """
    if processes <= len(stages):
        telling = TELLING.intersection(stages)
        paying = max(1, min(processes, len(stages) - len(telling)))
        shares = [
            *_shares(stages.keys() - telling, paying),
            *_shares(telling, max(1, processes - paying)),
        ]
        return [
            Pack(name=f"worker-{number}", stages=share, replica=0)
            for number, share in enumerate(shares, 1)
        ]
    replicas = _replicas(stages, processes)
    singles = [(stage, replica) for stage in stages for replica in range(replicas[stage])]
    return [
        Pack(name=f"worker-{number}", stages=(stage,), replica=replica)
        for number, (stage, replica) in enumerate(singles, 1)
    ]


def _shares(stages: Collection[str], processes: int) -> list[tuple[str, ...]]:
    """The heaviest first, each to the process that has least so far."""
    loads = [0] * processes
    shares: list[list[str]] = [[] for _ in range(processes)]
    for stage in sorted(stages, key=lambda name: (-_weight_us(name), name)):
        lightest = loads.index(min(loads))
        loads[lightest] += _weight_us(stage)
        shares[lightest].append(stage)
    return [tuple(share) for share in shares]


def _replicas(stages: Mapping[str, int], processes: int) -> dict[str, int]:
    """One of each, then one more of whichever stage has most weight a process."""
    replicas = dict.fromkeys(stages, 1)
    while sum(replicas.values()) < processes:
        growing = [stage for stage in stages if replicas[stage] < stages[stage]]
        if not growing:
            break
        heaviest = max(growing, key=lambda stage: _weight_us(stage) / replicas[stage])
        replicas[heaviest] += 1
    return replicas


def _weight_us(stage: str) -> int:
    return STAGE_WEIGHTS_US.get(stage, _WEIGHT_UNKNOWN_US)
