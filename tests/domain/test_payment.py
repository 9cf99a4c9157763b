from hypothesis import given
from hypothesis import strategies as st

from domain.payment import FINAL, RANK, TRANSITIONS, State, payment_id_of


def test_every_state_has_its_roads_and_its_rank() -> None:
    assert set(TRANSITIONS) == set(RANK) == set(State)


@given(st.data())
def test_no_sequence_of_transitions_leads_back(data: st.DataObject) -> None:
    state, seen = State.REQUESTED, [State.REQUESTED]
    while TRANSITIONS[state]:
        following = data.draw(st.sampled_from(sorted(TRANSITIONS[state])))
        assert RANK[following] > RANK[state]
        assert following not in seen
        state = following
        seen.append(state)
    assert state in FINAL


def test_what_is_final_stays_so() -> None:
    assert {State.POSTED, State.REFUSED} == FINAL


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_a_key_names_one_payment_of_one_client(a: str, b: str, c: str, d: str) -> None:
    same = (a, b) == (c, d)
    assert (payment_id_of(a, b) == payment_id_of(c, d)) is same
