"""The people of the demo, as sample_data.yaml lists them."""

from pathlib import Path
from typing import Annotated, Any, Final, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from domain.display_name import normalise_display_name
from domain.errors import Invalid
from runtime import limits
from schemas.event import AmountMinor, Handle

SAMPLE_FILE: Final = Path(__file__).resolve().parent.parent / "sample_data.yaml"


class Person(BaseModel):
    """Somebody with a handle and money; `funds_minor` counts the currency's minor unit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    handle: Handle
    display_name: str
    currency: str
    funds_minor: AmountMinor

    @model_validator(mode="after")
    def _named_plainly(self) -> Self:
        if normalise_display_name(self.display_name) != self.display_name:
            raise ValueError("the display name is not in Unicode's composed form (NFC)")
        return self


class SampleData(BaseModel):
    """The people to bring in."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    people: Annotated[list[Person], Field(min_length=1, max_length=limits.BULK_PAYMENTS_MAX)]


def read_sample_data(path: Path = SAMPLE_FILE) -> SampleData:
    """Read and check a file of sample data; Invalid names every fault at once."""
    try:
        raw: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        return SampleData.model_validate(raw)
    except (OSError, yaml.YAMLError, ValueError, Invalid) as error:
        raise Invalid("invalid_sample_data", f"{path.name}: {error}") from error
