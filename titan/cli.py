"""The command line: every command of the house, one line each."""

from typing import Final

import typer

from titan import (
    archive_command,
    at_command,
    auth_command,
    chaos_command,
    dlq_command,
    docs_command,
    doctor_command,
    forget_command,
    keys_command,
    migrate_command,
    notifications_command,
    pay_command,
    prove_command,
    replay_command,
    sample_command,
    schemas_command,
    shadow_command,
    topics_command,
    up_command,
    watch_command,
    webhooks_command,
)
from titan.terminal import command_group, quiet_libraries

app: Final[typer.Typer] = command_group("Titan: real-time payments as an event-driven pipeline.")

app.callback()(quiet_libraries)
app.command("up")(up_command.up)
app.command("pay")(pay_command.pay)
app.command("watch")(watch_command.watch)
app.command("doctor")(doctor_command.doctor)
app.command("prove")(prove_command.prove_books)
app.command("replay")(replay_command.replay_projections)
app.command("at")(at_command.at)
app.command("archive")(archive_command.archive)
app.command("shadow")(shadow_command.shadow_stage)
app.command("sample-data")(sample_command.sample_data)
app.command("migrate")(migrate_command.migrate_database)
app.command("chaos")(chaos_command.chaos)
app.command("forget")(forget_command.forget)
app.add_typer(auth_command.app, name="auth")
app.add_typer(keys_command.app, name="keys")
app.add_typer(topics_command.app, name="topics")
app.add_typer(schemas_command.app, name="schemas")
app.add_typer(dlq_command.app, name="dlq")
app.add_typer(notifications_command.app, name="notifications")
app.add_typer(webhooks_command.app, name="webhooks")
app.command("docs")(docs_command.docs)
