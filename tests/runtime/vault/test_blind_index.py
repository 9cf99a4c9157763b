"""Blind indexes tell equal values of one column, and nothing else."""

import hashlib
import hmac

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from runtime.vault import Vault

VAULT = Vault(bytes(32), index_root=b"r" * 32)


def test_equal_values_of_one_column_are_equal_and_nothing_else_is() -> None:
    alice = VAULT.blind_index("users.email", "alice@example.com")

    assert alice == VAULT.blind_index("users.email", "alice@example.com")
    others = {
        VAULT.blind_index("users.email", "bob@example.com"),
        VAULT.blind_index("users.phone", "alice@example.com"),
        Vault(bytes(32), index_root=b"s" * 32).blind_index("users.email", "alice@example.com"),
        Vault(bytes(32)).blind_index("users.email", "alice@example.com"),
        hashlib.sha256(b"alice@example.com").hexdigest(),
    }
    assert len(others | {alice}) == 6


def test_an_index_is_hmac_sha_256_under_a_key_of_the_columns_own() -> None:
    """As documented, so that it can be made again elsewhere."""
    key = HKDFExpand(SHA256(), 32, info=b"titan blind index\0users.email").derive(b"r" * 32)

    assert VAULT.blind_index("users.email", "a@b.example") == (
        hmac.new(key, b"a@b.example", "sha256").hexdigest()
    )


def test_a_new_house_key_before_the_old_one_changes_no_index() -> None:
    old, new = b"o" * 32, b"n" * 32

    assert Vault(old).blind_index("c", "v") == Vault(new, old).blind_index("c", "v")
