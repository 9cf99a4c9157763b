"""A vault for tests: its people's keys end with this process."""

from runtime.clock import Clock
from runtime.vault import PeopleKeys, Vault
from runtime.vault.keyring import Keyring
from runtime.vault.memory import MemoryKeyProvider, MemoryKeyStore


def memory_vault(*house_keys: bytes, clock: Clock) -> Vault:
    """A vault with these keys of the house."""
    store = MemoryKeyStore()
    keyring = Keyring(store, maker=MemoryKeyProvider(), others=[], clock=clock)
    return Vault(*house_keys, people=PeopleKeys(store, keyring, clock=clock))
