"""`titan keys`: the keys that wrap people's data keys; see docs/encryption.md."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Final

import typer

from runtime.vault import limits
from runtime.vault.rewrap import Tally, rewrap_all
from runtime.vault.store import Kek, KekUse
from titan.progress import Bar
from titan.terminal import JsonOption, command_group, fail, say, say_json, say_table
from titan.vault_place import VaultPlace, open_vault

app: Final[typer.Typer] = command_group("Keys that wrap people's data keys.")

_REFERENCE_CHARACTERS: Final = 40


@app.command()
def status(*, as_json: JsonOption = False) -> None:
    """List the keys, what each wraps and how often it was used; exit 1 if one is worn.

    Messages are counted as they are reserved: at least as many as were sealed.
    """
    keks, uses, house = asyncio.run(_status())
    rows = [_row(kek, uses[kek.kek_id], newest=keks[-1].kek_id) for kek in keks]
    worn = [row["key"] for row in rows if row["messages_max"] > limits.MESSAGES_ALARM]  # type: ignore[operator]
    worn += [key for key, messages in house.items() if messages > limits.MESSAGES_ALARM]
    if as_json:
        say_json({"keys": rows, "house_messages": house, "worn": worn})
    else:
        if rows:
            say_table(list(rows[0]), [[_shown(cell) for cell in row.values()] for row in rows])
        else:
            say("no key yet: the first person to be sealed for brings one, or `titan keys rotate`")
        for key, messages in house.items():
            say(f"the house's own key {key}: {messages:,} messages")
    if worn:
        fail(
            f"worn, past {limits.MESSAGES_ALARM:,} messages: {', '.join(map(str, worn))}; a "
            "person's key gets a successor by itself, the house's needs a new TITAN_VAULT_KEY"
        )


@app.command()
def rotate(
    *,
    reference: Annotated[
        str | None,
        typer.Option(help="A key that the provider has already: its ARN, alias or name."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Begin a new key: what is sealed from now on uses it. `rewrap` moves the rest to it."""

    async def run() -> Kek:
        async with open_vault() as place:
            kek = await place.vault.people.keyring.rotate(reference)
            await _write_act(place, "wrapping-key.rotate", kek.kek_id)
            return kek

    kek = asyncio.run(run())
    if as_json:
        say_json({"key": kek.kek_id, "provider": kek.provider, "reference": kek.reference})
    else:
        say(f"key {kek.kek_id} ({kek.provider}, {kek.reference}) wraps from now on")


@app.command()
def rewrap(*, as_json: JsonOption = False) -> None:
    """Wrap every data key under the newest key. Nothing waits for it; safe to break off and repeat.

    Exit 1 if a wrap does not open: that person's texts were lost before.
    """
    with Bar(disable=as_json) as bar:
        tally = asyncio.run(_rewrap(bar))
    if as_json:
        say_json(
            {
                "rewrapped": tally.rewrapped,
                "done_by_others": tally.done_by_others,
                "lost": tally.lost,
            }
        )
    else:
        say(f"{tally.rewrapped:,} data keys were wrapped anew")
    if tally.lost:
        fail(f"{tally.lost:,} wraps do not open under the key that they name")


@app.command()
def destroy(
    key: Annotated[int, typer.Argument(min=1, help="The key's number, as `status` has it.")],
    *,
    sure: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """End an older key that wraps nothing any more: backups of keys it wrapped are dead then."""
    if not sure:
        typer.confirm(f"Destroy key {key} for good?", abort=True)

    async def run() -> None:
        async with open_vault() as place:
            await place.vault.people.keyring.destroy(key)
            await _write_act(place, "wrapping-key.destroy", key)

    asyncio.run(run())
    if as_json:
        say_json({"destroyed": key})
    else:
        say(f"key {key} is destroyed; if TITAN_KEKS still holds it, take it out")


async def _write_act(place: VaultPlace, action: str, kek_id: int) -> None:
    async with place.database.connection() as connection, connection.transaction():
        await place.write_act(connection, action, f"wrapping-key:{kek_id}")


async def _status() -> tuple[Sequence[Kek], Mapping[int, KekUse], Mapping[str, int]]:
    async with open_vault() as place:
        store = place.vault.people.store
        uses = {use.kek_id: use for use in await store.uses()}
        house = {str(key_id): count for key_id, count in (await store.house_messages()).items()}
        return await store.keks(), uses, house


async def _rewrap(bar: Bar) -> Tally:
    async with open_vault() as place:
        people = place.vault.people
        return await rewrap_all(
            people.store,
            people.keyring,
            on_total=lambda count: bar.total("rewrapping", count),
            on_progress=bar.advance,
        )


def _row(kek: Kek, use: KekUse, *, newest: int) -> dict[str, object]:
    state = "wraps" if kek.kek_id == newest else "older"
    return {
        "key": kek.kek_id,
        "provider": kek.provider,
        "reference": kek.reference,
        "state": state if kek.retired_at is None else "destroyed",
        "created": kek.created_at.isoformat(timespec="seconds"),
        "data_keys": use.data_keys,
        "messages": use.messages,
        "messages_max": use.messages_max,
    }


def _shown(cell: object) -> str:
    return f"{cell:,}" if isinstance(cell, int) else str(cell)[:_REFERENCE_CHARACTERS]
