from runtime.fingerprints import is_same_body, keyed_fingerprint
from runtime.http.body import fingerprint_of
from runtime.vault import Vault

VAULT, OTHER = Vault(bytes(32)), Vault(b"x" * 32)
PLAIN = fingerprint_of({"description": "lunch"})


def test_a_body_has_one_fingerprint_in_every_process_and_none_that_others_could_make() -> None:
    keyed = keyed_fingerprint(PLAIN, VAULT)
    assert keyed == keyed_fingerprint(PLAIN, Vault(bytes(32)))
    assert keyed not in {PLAIN, keyed_fingerprint(PLAIN, OTHER)}
    assert (len(keyed), len(bytes.fromhex(keyed))) == (64, 32)
    # Of those bodies that were keyed before all were.
    assert keyed == VAULT.blind_index("handle.body", PLAIN)


def test_a_repeat_is_known_also_where_the_first_was_stored_plain() -> None:
    keyed = keyed_fingerprint(PLAIN, VAULT)
    assert is_same_body(keyed, keyed, VAULT)
    assert is_same_body(PLAIN, keyed, VAULT)


def test_another_body_is_another_however_it_was_stored() -> None:
    other = fingerprint_of({"description": "dinner"})
    keyed = keyed_fingerprint(PLAIN, VAULT)
    assert not is_same_body(other, keyed, VAULT)
    assert not is_same_body(keyed_fingerprint(other, VAULT), keyed, VAULT)
    assert not is_same_body(keyed_fingerprint(keyed, VAULT), keyed, VAULT)
