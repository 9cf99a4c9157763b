"""`titan migrate`: bring the database to this version's schema."""

from titan.endpoints import connected_settings
from titan.migrate import migrate
from titan.terminal import JsonOption, say, say_json


def migrate_database(*, as_json: JsonOption = False) -> None:
    """Apply the migrations that the database lacks."""
    settings = connected_settings(needed=("postgres_dsn",))
    assert settings.postgres_dsn is not None
    applied = migrate(settings.postgres_dsn.get_secret_value())
    if as_json:
        say_json({"applied": applied})
    else:
        say(f"{applied} migrations applied" if applied else "the schema is the newest already")
