"""The chart of accounts: the file, validated, and the requests that it comes to."""

from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final, Self
from uuid import UUID, uuid5

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from domain.display_name import normalise_display_name
from domain.errors import Invalid
from domain.money import is_currency
from schemas.account import AccountKind, AccountOpeningRequested, Tier
from schemas.event import ClientId, Handle
from schemas.wire import Message, first_message

CHART_FILE: Final = Path(__file__).resolve().parent.parent.parent / "chart_of_accounts.yaml"
SOURCE: Final = "titan/producers/chart_of_accounts"

CHART_NAMESPACE: Final = UUID("4d6d2f0c-7b1e-5a3f-9c55-21d0c8a7e1b9")
"""Root of the ids of the chart's accounts: uuid5 of the client, and of that the name."""


class ChartAccount(BaseModel):
    """One account of the chart, and the handle by which payments may name it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]
    kind: AccountKind
    tier: Tier
    currency: str
    handle: Handle
    display_name: str

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if not is_currency(self.currency):
            raise ValueError("the currency is not an ISO 4217 code such as USD")
        if normalise_display_name(self.display_name) != self.display_name:
            raise ValueError("the display name is not in Unicode's composed form (NFC)")
        return self


class Chart(BaseModel):
    """All accounts of the chart; they belong to one client."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    client_id: ClientId
    accounts: Annotated[list[ChartAccount], Field(min_length=1)]

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        for names in ([a.name for a in self.accounts], [a.handle for a in self.accounts]):
            twice = [name for name, count in Counter(names).items() if count > 1]
            if twice:
                raise ValueError(f"named twice: {', '.join(twice)}")
        return self

    def account_id_of(self, account: ChartAccount) -> UUID:
        """The id of one of its accounts: the same for ever."""
        return uuid5(uuid5(CHART_NAMESPACE, self.client_id), account.name)


def read_chart(path: Path = CHART_FILE) -> Chart:
    """Read and check a chart of accounts; Invalid names every fault at once."""
    try:
        raw: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        return Chart.model_validate(raw)
    except (OSError, yaml.YAMLError, ValueError, Invalid) as error:
        raise Invalid("invalid_chart_of_accounts", f"{path.name}: {error}") from error


def messages_of(chart: Chart, *, now: datetime) -> list[Message]:
    """The requests to open the chart's accounts: the same account, the same request id."""
    return [_message_of(chart, account, now) for account in chart.accounts]


def _message_of(chart: Chart, account: ChartAccount, now: datetime) -> Message:
    account_id = chart.account_id_of(account)
    request_id = uuid5(account_id, f"{account.kind} {account.tier} {account.currency}")
    event = AccountOpeningRequested(
        request_id=request_id,
        requested_at=now,
        account_id=account_id,
        client_id=chart.client_id,
        kind=account.kind,
        tier=account.tier,
        currency=account.currency,
    )
    return first_message(event, event_id=request_id, source=SOURCE, now=now, traceparent=None)
