"""The schedule of a campaign: the same seed gives the same faults, and every kind has its turn."""

from collections import Counter

import pytest

from titan.chaos.campaign import STRIKES, Plan
from titan.chaos.schedule import DECIDING, Actors, Fault, Kind, rounds
from titan.edge import EDGE_PROCESSES

ACTORS = Actors((*DECIDING, "payment_projection"), tuple(EDGE_PROCESSES), ("webhook_delivery-1",))


def faults(seed: int, count: int, without: tuple[Kind, ...] = ()) -> list[Fault]:
    planned = rounds(seed, count, actors=ACTORS, without=without)
    return [fault for faults in planned for fault in faults]


def test_the_same_seed_gives_the_same_faults_with_the_same_targets() -> None:
    assert rounds(7, 1_000, actors=ACTORS) == rounds(7, 1_000, actors=ACTORS)
    assert rounds(7, 1_000, actors=ACTORS) != rounds(8, 1_000, actors=ACTORS)


def test_a_command_and_its_repetition_strike_alike() -> None:
    plan = Plan(payments=5_000, faults=40, seed=11)
    assert plan.rounds(without={}) == Plan(payments=5_000, faults=40, seed=11).rounds(without={})


@pytest.mark.parametrize("count", [1, 5, len(Kind), 40, 1_000])
def test_there_are_as_many_faults_as_were_asked_for(count: int) -> None:
    assert len(faults(1, count)) == count


@pytest.mark.parametrize("seed", range(20))
def test_every_kind_strikes_before_any_is_drawn_again(seed: int) -> None:
    planned = Counter(fault.kind for fault in faults(seed, 40))
    assert set(planned) == set(Kind)


def test_what_a_place_cannot_have_is_left_out() -> None:
    planned = faults(1, 1_000, without=(Kind.FULL_DISK,))
    assert len(planned) == 1_000
    assert {fault.kind for fault in planned} == set(Kind) - {Kind.FULL_DISK}


def test_who_is_hit_is_somebody_who_is_there() -> None:
    for fault in faults(1, 2_000):
        assert fault.target in {"*", *ACTORS.stages, *ACTORS.edges, *ACTORS.pools}
        assert 0.3 <= fault.duration_s <= 3.0


def test_what_needs_the_place_for_itself_has_it() -> None:
    planned = rounds(1, 1_000, actors=ACTORS)
    alone = {Kind.ZOMBIE, Kind.KILL_ALL, Kind.GARBAGE, Kind.FULL_DISK}
    assert any(len(faults) == 3 for faults in planned)
    for faults in planned:
        kinds = [fault.kind for fault in faults]
        assert len(kinds) == len(set(kinds))
        assert len(kinds) == 1 or not alone & set(kinds)


def test_somebody_knows_how_to_bring_each_kind_about() -> None:
    assert set(STRIKES) == set(Kind)
