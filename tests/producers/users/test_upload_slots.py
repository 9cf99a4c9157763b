"""Room for documents that arrive, shared among people."""

from uuid import uuid4

import pytest

from domain.errors import Unavailable
from producers.users.upload_slots import UploadSlots
from runtime.http.problem import ProblemError


def test_a_person_has_one_slot_and_another_person_the_next() -> None:
    slots, alice, bob = UploadSlots(2), uuid4(), uuid4()
    with slots.slot_for(alice):
        with pytest.raises(ProblemError) as caught, slots.slot_for(alice):
            pass
        assert (caught.value.status, caught.value.code) == (429, "upload_under_way")
        assert caught.value.headers == {"Retry-After": "5", "Connection": "close"}
        with slots.slot_for(bob), pytest.raises(Unavailable), slots.slot_for(uuid4()):
            pass


def test_a_slot_is_free_again_however_its_upload_ends() -> None:
    slots, alice = UploadSlots(1), uuid4()
    with pytest.raises(RuntimeError), slots.slot_for(alice):
        raise RuntimeError
    with slots.slot_for(alice):
        pass
