"""Settings of what carries notifications out of the house; a part of runtime/settings.py."""

from enum import StrEnum
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings


class SmtpSecurity(StrEnum):
    """How the way to the mail server is kept from others."""

    TLS = "tls"
    """From the first byte (port 465)."""
    STARTTLS = "starttls"
    """Before anything is said (port 587); refused if the server cannot."""
    NONE = "none"
    """Not at all: for a server on this machine."""


class CarrierSettings(BaseSettings):
    """Each carrier works where all of its own are set; what it would carry waits else, and ends."""

    notifications_port: int = Field(8006, ge=0, le=65535, description="port of Notifications")
    notifications_url: str | None = Field(
        None,
        description="where people and commands find Notifications: links in e-mails begin so; "
        "unset: bind_host and its port",
    )
    apns_key_file: Path | None = Field(
        None, description="Apple's .p8 file: the key that signs provider tokens; unset: no pushes"
    )
    apns_key_id: str | None = Field(None, description="the key's id, of 10 characters")
    apns_team_id: str | None = Field(None, description="the team's id, of 10 characters")
    apns_topic: str | None = Field(None, description="the app's bundle id")
    apns_url: str = Field(
        "https://api.push.apple.com",
        pattern=r"^https://",
        description="Apple's service; api.sandbox.push.apple.com for apps under development",
    )
    fcm_service_account_file: Path | None = Field(
        None, description="Google's JSON file of a service account; unset: no pushes"
    )
    fcm_url: str = Field(
        "https://fcm.googleapis.com", pattern=r"^https://", description="Google's service"
    )
    smtp_host: str | None = Field(
        None, description="mail server, for notifications and codes; unset: no e-mails"
    )
    smtp_port: int = Field(587, ge=1, le=65535, description="its port")
    smtp_security: SmtpSecurity = Field(
        SmtpSecurity.STARTTLS, description="tls, starttls, or none on this machine"
    )
    smtp_username: str | None = Field(None, description="unset: nobody signs in there")
    smtp_password: SecretStr | None = Field(None, description="of that user")
    mail_from: str | None = Field(None, description="the address that e-mails come from")
