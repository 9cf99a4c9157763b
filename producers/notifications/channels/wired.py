"""The carriers that the settings name; Invalid, in words for whoever set them, if one cannot be."""

from collections.abc import Mapping

from domain.errors import Invalid
from domain.notification import Channel
from producers.notifications.channels.apns import ApnsCarrier, ApnsKey
from producers.notifications.channels.email import EmailCarrier
from producers.notifications.channels.fcm import FcmCarrier, ServiceAccount
from producers.notifications.channels.port import Carrier
from runtime.clock import Clock
from runtime.mail import smtp_server_of
from runtime.settings import Settings


def carriers_of(settings: Settings, *, clock: Clock) -> Mapping[Channel, Carrier]:
    """One for each channel that is set."""
    carriers: dict[Channel, Carrier] = {}
    if settings.apns_key_file is not None:
        key = _apns_key(settings)
        carriers[Channel.APNS] = ApnsCarrier(key, url=settings.apns_url, clock=clock)
    if settings.fcm_service_account_file is not None:
        account = ServiceAccount.read(settings.fcm_service_account_file)
        carriers[Channel.FCM] = FcmCarrier(account, url=settings.fcm_url, clock=clock)
    if (server := smtp_server_of(settings)) is not None:
        carriers[Channel.EMAIL] = EmailCarrier(server, clock=clock)
    return carriers


def _apns_key(settings: Settings) -> ApnsKey:
    path, key_id, team_id = settings.apns_key_file, settings.apns_key_id, settings.apns_team_id
    if path is None or key_id is None or team_id is None or settings.apns_topic is None:
        raise Invalid(
            "incomplete_apns",
            "TITAN_APNS_KEY_FILE needs TITAN_APNS_KEY_ID, TITAN_APNS_TEAM_ID and TITAN_APNS_TOPIC",
        )
    try:
        private_key = path.read_text("ascii")
    except (OSError, ValueError) as error:
        raise Invalid(
            "invalid_apns_key", f"TITAN_APNS_KEY_FILE cannot be read: {type(error).__name__}"
        ) from None
    return ApnsKey(
        private_key=private_key, key_id=key_id, team_id=team_id, topic=settings.apns_topic
    )
