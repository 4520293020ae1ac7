"""What sends to other machines: pushes, notifications, and checks of both."""

from datetime import timedelta

from riskrelay.actions.notification_channels import Notifying
from riskrelay.local.clock import SystemClock
from riskrelay.push.addresses import TargetRules
from riskrelay.push.client import PushClient
from riskrelay.push.mail import MailServer, read_mail_server
from riskrelay.push.notifying import MessageSender
from riskrelay.push.targets import PushTargets
from riskrelay.settings import Settings
from riskrelay.signing.sealing import MasterKey

PUSH_DEADLINE = timedelta(seconds=20)


def target_rules(settings: Settings) -> TargetRules:
    """Build the rules for addresses that may be dialled."""
    return TargetRules(settings.allow_targets, allow_http=settings.allow_http_targets)


def push_client(settings: Settings) -> PushClient:
    """Build a client of receivers. The caller closes it."""
    return PushClient(target_rules(settings), SystemClock(), deadline=PUSH_DEADLINE, egress_proxy=settings.egress_proxy)


def build_sender(settings: Settings) -> MessageSender:
    """Build what sends notifications."""
    return MessageSender(lambda: push_client(settings), PushTargets(target_rules(settings)), _mail_server(settings))


def build_notifying(settings: Settings, master_key: MasterKey) -> Notifying:
    """Build the dependencies of notifications."""
    return Notifying(
        vault=master_key,
        notifier=build_sender(settings),
        public_url=settings.public_url,
        retention=timedelta(days=settings.retention_days),
    )


def _mail_server(settings: Settings) -> MailServer | None:
    if not settings.smtp_url or not settings.smtp_from:
        return None
    return read_mail_server(settings.smtp_url, settings.smtp_from)
