"""The vault of this place, as the settings describe it."""

from domain.errors import Invalid
from runtime.clock import Clock
from runtime.database import Database
from runtime.settings import KeyProviderName, Settings
from runtime.vault import limits
from runtime.vault.house import house_secrets, secret_of
from runtime.vault.keyring import Keyring
from runtime.vault.people import PeopleKeys
from runtime.vault.postgres import PostgresKeyStore
from runtime.vault.provider import KeyProvider
from runtime.vault.provider_environment import EnvironmentKeyProvider
from runtime.vault.provider_file import FileKeyProvider
from runtime.vault.vault import Vault


def load_vault(settings: Settings, *, people: PeopleKeys | None = None) -> Vault:
    """A vault with the house's keys, and with those of people where they are given.

    The demo makes a key of its own in the data directory; anywhere else a missing one is Invalid.
    """
    return Vault(*house_secrets(settings), people=people, index_root=_index_root(settings))


async def connect_vault(settings: Settings, *, name: str, clock: Clock) -> Vault:
    """The vault with the keys of people too; close it at the end.

    PostgreSQL and the key provider do not have to be up: they are asked when a key is needed.
    """
    if settings.postgres_dsn is None:
        raise Invalid("missing_postgres", "set TITAN_POSTGRES_DSN: people's keys are kept there")
    database = await Database.connect(
        settings.postgres_dsn.get_secret_value(),
        name=f"{name}-vault",
        size=limits.POOL_CONNECTIONS,
    )
    store = PostgresKeyStore(database)
    maker, others = key_providers(settings, clock)
    keyring = Keyring(store, maker=maker, others=others, clock=clock)
    vault = load_vault(settings, people=PeopleKeys(store, keyring, clock=clock))
    vault.start()
    return vault


def key_providers(settings: Settings, clock: Clock) -> tuple[KeyProvider, list[KeyProvider]]:
    """The provider that makes new key-encryption keys, and those that may hold older ones."""
    directory = settings.key_directory or settings.data_directory / "keys"
    keks = "" if settings.keks is None else settings.keks.get_secret_value()
    providers: dict[KeyProviderName, KeyProvider] = {
        KeyProviderName.FILE: FileKeyProvider(directory, clock=clock),
        KeyProviderName.ENVIRONMENT: EnvironmentKeyProvider(keks),
    }
    if settings.key_provider is KeyProviderName.AWS_KMS or settings.kms_endpoint_url is not None:
        providers[KeyProviderName.AWS_KMS] = _kms(settings)
    if settings.key_provider is KeyProviderName.FILE and not settings.is_demo:
        raise Invalid(
            "missing_key_provider",
            "keys in files are for the demo: set TITAN_KEY_PROVIDER to environment or aws-kms",
        )
    return providers.pop(settings.key_provider), list(providers.values())


def _kms(settings: Settings) -> KeyProvider:
    # Half a second of imports, which only this provider needs.
    from runtime.vault.provider_kms import KmsKeyProvider  # noqa: PLC0415

    return KmsKeyProvider(region=settings.kms_region, endpoint_url=settings.kms_endpoint_url)


def _index_root(settings: Settings) -> bytes | None:
    if settings.index_key is None:
        return None
    return secret_of(settings.index_key.get_secret_value(), "TITAN_INDEX_KEY")
