"""The table of providers, inbound.yaml: how each proves itself, and where its secrets lie."""

from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, HttpUrl, ValidationError, model_validator

from domain.errors import Invalid
from schemas.inbound import ProviderName

SECRET_BYTES_MIN: Final = 16
"""A shorter secret can be guessed."""

HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")]
SignedPart = Annotated[str, Field(pattern=r"^(timestamp|body|header:[A-Za-z0-9-]{1,64})$")]
IdPart = Annotated[
    str, Field(pattern=r"^(header:[A-Za-z0-9-]{1,64}|body:(/[A-Za-z0-9_-]{1,64}){1,8})$")
]
FileName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Hmac(_Strict):
    """HMAC-SHA-256 over parts joined by a dot, in one header; the time in another."""

    scheme: Literal["hmac"]
    signature_header: HeaderName
    timestamp_header: HeaderName
    signed: tuple[SignedPart, ...] = ("timestamp", "body")
    encoding: Literal["hex", "base64"] = "hex"
    prefix: Annotated[str, Field(max_length=16)] = ""
    """What stands before the signature in its header, such as `sha256=`."""

    @model_validator(mode="after")
    def _all_is_signed(self) -> Self:
        if not {"timestamp", "body"} <= set(self.signed):
            raise ValueError(
                "a message whose time or body is not signed can be repeated or changed"
            )
        return self

    def signs(self, header: str) -> bool:
        """Whether the signature is over this header too."""
        return f"header:{header}".lower() in {part.lower() for part in self.signed}


class TimestampedHmac(_Strict):
    """`t=<seconds>,v1=<hex>` in one header: HMAC-SHA-256 over time, dot and body."""

    scheme: Literal["timestamped-hmac"]
    header: HeaderName
    version: Annotated[str, Field(pattern=r"^[a-z0-9]{1,8}$")] = "v1"

    def signs(self, _header: str) -> bool:
        """No header."""
        return False


class StandardWebhooks(_Strict):
    """Standard Webhooks 1.0: `v1` by a shared secret, `v1a` by a public key."""

    scheme: Literal["standard-webhooks"]

    def signs(self, header: str) -> bool:
        """The message's id."""
        return header.lower() == "webhook-id"


class JwtByKeyId(_Strict):
    """An ES256 token that holds the body's digest; its key is asked for by id (Plaid)."""

    scheme: Literal["jwt-by-key-id"]
    header: HeaderName
    key_url: HttpUrl

    def signs(self, _header: str) -> bool:
        """No header."""
        return False


Rule = Hmac | TimestampedHmac | StandardWebhooks | JwtByKeyId


class Provider(_Strict):
    """One provider."""

    rule: Annotated[Rule, Field(discriminator="scheme")]
    secrets: FileName
    data: Literal["personal", "plain"]
    id: tuple[IdPart, ...] = ()

    @model_validator(mode="after")
    def _only_what_is_signed_names(self) -> Self:
        for part in self.id:
            kind, _, name = part.partition(":")
            if kind == "header" and not self.rule.signs(name):
                # Else whoever has seen one message could send it again under another id.
                raise ValueError(f"the header {name} is not signed: it cannot name a message")
        return self


class Providers(_Strict):
    """The whole table."""

    providers: dict[ProviderName, Provider]


def load_providers(path: Path) -> dict[str, Provider]:
    """Read and check the table; Invalid names every fault at once."""
    try:
        raw: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        return Providers.model_validate(raw).providers
    except ValidationError as error:
        faults = "; ".join(
            ": ".join(filter(None, (".".join(map(str, fault["loc"])), fault["msg"])))
            for fault in error.errors(include_url=False)
        )
        raise Invalid("invalid_providers", f"{path.name}: {faults}") from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise Invalid("invalid_providers", f"{path.name}: {error}") from error


def read_secrets(directory: Path | None, provider: Provider) -> list[str]:
    """The provider's secrets; none where there is no file of them. Invalid if one is too short."""
    path = None if directory is None else directory / provider.secrets
    if path is None or not path.is_file():
        return []
    secrets = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    secrets = [secret for secret in secrets if secret]
    if not secrets or any(len(secret.encode()) < SECRET_BYTES_MIN for secret in secrets):
        raise Invalid(
            "invalid_secret",
            f"{provider.secrets}: one secret a line, of at least {SECRET_BYTES_MIN} bytes",
        )
    return secrets
