from importlib.util import find_spec

from hypothesis import given
from hypothesis import strategies as st

from runtime.topics import TELLING, topic_map
from titan.packing import STAGE_WEIGHTS_US, Pack, may_be_late, pack, stages_of

STAGES = stages_of(topic_map())
MEMBERS_MAX = sum(STAGES.values())


def members(packs: list[Pack]) -> list[tuple[str, int]]:
    return [(stage, each.replica) for each in packs for stage in each.stages]


@given(processes=st.integers(-1, 100))
def test_every_stage_runs_and_no_two_members_of_a_group_share_a_name(processes: int) -> None:
    packs = pack(STAGES, processes)

    assert {stage for stage, _ in members(packs)} == set(STAGES)
    assert len(set(members(packs))) == len(members(packs))
    assert len({each.name for each in packs}) == len(packs)
    one_more = processes <= len(STAGES) - len(TELLING)
    assert len(packs) == min(max(processes, 1) + one_more, MEMBERS_MAX)


@given(processes=st.integers(-1, 100))
def test_no_stage_that_moves_money_shares_a_process_with_one_that_tells(processes: int) -> None:
    for each in pack(STAGES, processes):
        assert may_be_late(each.stages) or not TELLING.intersection(each.stages)


@given(processes=st.integers(1, 100))
def test_no_stage_has_more_processes_than_partitions(processes: int) -> None:
    replicas = members(pack(STAGES, processes))

    for stage, partitions in STAGES.items():
        assert sum(name == stage for name, _ in replicas) <= partitions


@given(processes=st.integers(1, 53))
def test_a_further_process_renames_no_member(processes: int) -> None:
    fewer, more = members(pack(STAGES, processes)), members(pack(STAGES, processes + 1))

    assert set(fewer) <= set(more)


def test_two_processes_share_the_weight_evenly() -> None:
    *paying, telling = pack(STAGES, 2)
    loads = [sum(STAGE_WEIGHTS_US[stage] for stage in each.stages) for each in paying]

    assert set(telling.stages) == TELLING
    assert len(loads) == 2
    assert max(loads) < 1.3 * min(loads)


def test_every_stage_of_the_map_has_an_application_and_a_weight() -> None:
    for stage in STAGES:
        assert find_spec(f"consumers.{stage}.app") is not None, stage
    assert set(STAGE_WEIGHTS_US) == set(STAGES)
