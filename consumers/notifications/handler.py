"""Plan who is told what; nothing is sent here.

payment.posted | payment.refused | account.frozen | account.unfrozen | session.started |
session.reuse-detected | password.changed | totp.enrolled | totp.removed | user.blocked |
person.tier-changed | kyc.rejected | kyc.information-requested | webhook.endpoint-disabled
-> (nothing)
"""

from collections.abc import Sequence

from consumers.notifications.decide import Fact, news_of, parties_wanted
from consumers.notifications.ports import Holders, Notices
from domain.notification_plan import plan
from runtime.clock import Clock
from runtime.unit import Unit
from schemas.event import Delivered


async def on_facts(
    fresh: Sequence[Delivered[Fact]],
    unit: Unit,
    *,
    holders: Holders,
    notices: Notices,
    clock: Clock,
) -> list[None]:
    """Plan a batch, in one commit with its inbox rows: what is read again plans nothing again."""
    parties = await holders.read(unit, *parties_wanted([item.event for item in fresh]))
    news = [each for item in fresh for each in news_of(item, parties)]
    if news:
        known = await notices.lock(unit, news)
        await notices.write(unit, plan(news, known, now=clock.now()))
    return [None] * len(fresh)
