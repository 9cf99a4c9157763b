"""Which broker a command talks to: the environment's, else that of a running `titan up`."""

from domain.errors import Unavailable
from runtime.settings import Settings
from titan.endpoints import read_endpoints


def broker_settings() -> tuple[Settings, str]:
    """The settings and the broker's address; Unavailable, with the remedy, if none is named.

    Unlike `connected_settings` it asks for no database, so that topics can be brought to a broker
    before anything else exists.
    """
    settings = Settings()
    if settings.kafka_bootstrap is not None:
        return settings, settings.kafka_bootstrap
    endpoints = read_endpoints(settings.data_directory)
    if endpoints is None:
        raise Unavailable(
            f"no Titan runs on {settings.data_directory}: start one with `make run`, "
            "or set TITAN_KAFKA_BOOTSTRAP"
        )
    return settings, endpoints.kafka_bootstrap
