"""Risk limits per tier: what one payer may send, in one payment, in a day and in a window."""

from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from domain.money import is_currency

ANY_CURRENCY: Final = "*"
"""Stands for every currency that a tier does not name."""

MinorMax = Annotated[int, Field(strict=True, ge=0)]
MinorMaxByCurrency = dict[str, MinorMax]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Velocity(_Strict):
    """At most `payments_max` payments in each window of `window_s` seconds."""

    payments_max: Annotated[int, Field(strict=True, ge=1)]
    window_s: Annotated[int, Field(strict=True, ge=1, le=86_400)]


class TierLimits(_Strict):
    """The limits of one tier; amounts in minor units by currency, `*` for those not named."""

    payment_amount_minor_max: MinorMaxByCurrency
    daily_amount_minor_max: MinorMaxByCurrency
    velocity: Velocity | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        for table in (self.payment_amount_minor_max, self.daily_amount_minor_max):
            if ANY_CURRENCY not in table:
                raise ValueError("say what holds for the currencies not named: '*'")
            unknown = [code for code in table if code != ANY_CURRENCY and not is_currency(code)]
            if unknown:
                raise ValueError(f"not ISO 4217: {', '.join(sorted(unknown))}")
        return self


class RiskLimits(_Strict):
    """All tiers. `unlimited` names the tiers that are not screened (Titan's own accounts)."""

    tiers: dict[str, TierLimits]
    unlimited: frozenset[str] = frozenset()

    @model_validator(mode="after")
    def _disjoint(self) -> Self:
        both = self.unlimited & self.tiers.keys()
        if both:
            raise ValueError(f"both limited and unlimited: {', '.join(sorted(both))}")
        return self


def limit_of(table: MinorMaxByCurrency, currency: str) -> int:
    """The limit for a currency, in its minor unit."""
    return table.get(currency, table[ANY_CURRENCY])
