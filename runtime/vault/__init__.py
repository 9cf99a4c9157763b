"""The vault: envelopes, the keys of the house and of people, and who holds the keys of keys.

Vault (vault.py) -> HouseKeys (house.py)                          texts of nobody in particular
                 -> PeopleKeys (people.py) -> KeyStore (store.py)  wrapped data keys, one a person
                                           -> Keyring (keyring.py) -> KeyProvider (provider.py)
Cipher (cipher.py) seals one text under one key, bound to its place (binding.py, envelope.py)
"""

from runtime.vault.binding import Binding
from runtime.vault.cipher import Cipher
from runtime.vault.load import connect_vault, load_vault
from runtime.vault.people import Forgotten, PeopleKeys
from runtime.vault.vault import Vault

__all__ = [
    "Binding",
    "Cipher",
    "Forgotten",
    "PeopleKeys",
    "Vault",
    "connect_vault",
    "load_vault",
]
