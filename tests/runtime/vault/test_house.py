import base64
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Defect, Invalid
from runtime.settings import Profile, Settings
from runtime.vault import Vault, load_vault

VAULT = Vault(b"k" * 32)


@given(st.text())
def test_opens_what_it_sealed_and_never_seals_alike(text: str) -> None:
    sealed = VAULT.seal(text, "display_name")

    assert VAULT.open(sealed, "display_name") == text
    assert VAULT.seal(text, "display_name") != sealed


WRONG = {
    "empty": "",
    "no ciphertext": "AQ==",
    "not base64": "not base64 !",
    "another purpose": VAULT.seal("alice", "description"),
    "another key": Vault(b"x" * 32).seal("alice", "display_name"),
    "cut short": VAULT.seal("alice", "display_name")[:-8],
    "another version": base64.urlsafe_b64encode(b"\x02" + b"n" * 40).decode(),
}


@pytest.mark.parametrize("fault", WRONG)
def test_whatever_is_wrong_is_refused_in_the_same_words(fault: str) -> None:
    with pytest.raises(Invalid, match="the sealed text does not open"):
        VAULT.open(WRONG[fault], "display_name")


def test_the_demo_makes_a_key_that_only_its_owner_reads(tmp_path: Path) -> None:
    settings = Settings(data_directory=tmp_path)
    sealed = load_vault(settings).seal("alice", "display_name")

    assert load_vault(settings).open(sealed, "display_name") == "alice"
    assert stat.S_IMODE((tmp_path / "vault.key").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["vault.key"]


def test_a_damaged_demo_key_is_said_not_used(tmp_path: Path) -> None:
    (tmp_path / "vault.key").write_bytes(b"short")
    with pytest.raises(Defect, match="make clean"):
        load_vault(Settings(data_directory=tmp_path))


@pytest.mark.parametrize("key", [None, "c2hvcnQ=", "not base64"])
def test_production_demands_a_key_that_fits(key: str | None, tmp_path: Path) -> None:
    settings = Settings(profile=Profile.PRODUCTION, vault_key=key, data_directory=tmp_path)  # type: ignore[arg-type]
    with pytest.raises(Invalid):
        load_vault(settings)
