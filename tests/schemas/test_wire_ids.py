from uuid import UUID, uuid5

from hypothesis import given
from hypothesis import strategies as st

from schemas.wire import caused_envelope, first_envelope
from tests.support.memory_stage import NOW


@given(st.uuids(), st.text(st.characters(codec="utf-8"), max_size=30))
def test_an_outcomes_id_is_uuid5_of_its_cause_and_step(cause_id: UUID, step: str) -> None:
    cause = first_envelope(
        event_id=cause_id, idempotency_id=cause_id, source="tests", now=NOW, traceparent=None
    )
    outcome = caused_envelope(cause, step=step, source="tests", now=NOW)

    assert outcome.event_id == outcome.idempotency_id == uuid5(cause_id, step)
