"""Every URL of the service, on one screen. Those of the console are in console/routes.py."""

from riskrelay.core.ssf.refused_requests import ReceiverOperation
from riskrelay.ports import Services
from riskrelay.web.account_api.activity import ActivityRoutes
from riskrelay.web.account_api.audit import AuditRoutes
from riskrelay.web.account_api.behaviors import BehaviorRoutes
from riskrelay.web.account_api.bulk_resets import bulk_reset_routes
from riskrelay.web.account_api.deliveries import DeliveryRoutes
from riskrelay.web.account_api.delivery_control import DeliveryControlRoutes
from riskrelay.web.account_api.detection import DetectionRoutes
from riskrelay.web.account_api.directory import DirectoryRoutes
from riskrelay.web.account_api.exceptions import ExceptionRoutes
from riskrelay.web.account_api.findings import FindingRoutes
from riskrelay.web.account_api.integration_settings import IntegrationSettingRoutes
from riskrelay.web.account_api.integration_tls import IntegrationTlsRoutes
from riskrelay.web.account_api.integrations import IntegrationRoutes
from riskrelay.web.account_api.keys import KeyRoutes
from riskrelay.web.account_api.level_history import HistoryRoutes
from riskrelay.web.account_api.levels import LevelRoutes
from riskrelay.web.account_api.notification_channels import NotificationChannelRoutes
from riskrelay.web.account_api.receiver_credentials import ReceiverCredentialRoutes
from riskrelay.web.account_api.replays import ReplayRoutes
from riskrelay.web.account_api.rules import RuleRoutes
from riskrelay.web.account_api.security_events import SecurityEventRoutes
from riskrelay.web.account_api.source_events import SourceEventRoutes
from riskrelay.web.account_api.sources import SourceRoutes
from riskrelay.web.account_api.tokens import ApiTokenRoutes
from riskrelay.web.account_api.trials import TrialRoutes
from riskrelay.web.account_api.users import UserRoutes
from riskrelay.web.documentation import routes as documentation
from riskrelay.web.health import HealthRoutes
from riskrelay.web.paths import Handler
from riskrelay.web.transmitter.metadata import TransmitterRoutes
from riskrelay.web.transmitter.stream_events import StreamEventRoutes
from riskrelay.web.transmitter.streams import StreamRoutes, Transmitting
from riskrelay.web.transmitter.tokens import TokenRoutes


def credential_routes(services: Services, transmitting: Transmitting) -> list[tuple[str, str, Handler]]:
    """Return the routes of tokens, of the installation and of signing keys, below each base path."""
    tokens = ApiTokenRoutes(services)
    keys = KeyRoutes(services, transmitting.keyring)
    return [
        ("GET", "/user/tokens/verify", tokens.verify),
        ("GET", "/accounts/{account_id}/tokens/verify", tokens.verify_in_account),
        ("GET", "/installation/tokens", tokens.list_all_of_installation),
        ("POST", "/installation/tokens", tokens.create_for_installation),
        ("DELETE", "/installation/tokens/{token_id}", tokens.revoke_of_installation),
        ("GET", "/installation/keys", keys.list_all),
        ("POST", "/installation/keys/rotate", keys.rotate),
        ("GET", "/installation/audit", AuditRoutes(services).list_page_of_installation),
    ]


def account_routes(
    services: Services, public_origin: str, transmitting: Transmitting
) -> list[tuple[str, str, Handler]]:
    """Return the routes of the account API, below each base path and the account's path."""
    integrations = IntegrationRoutes(services, public_origin)
    deliveries = DeliveryRoutes(services)
    replays = ReplayRoutes(services)
    delivery_control = DeliveryControlRoutes(services, transmitting.targets, transmitting.polling.retention)
    credentials = ReceiverCredentialRoutes(services)
    settings = IntegrationSettingRoutes(services)
    tls = IntegrationTlsRoutes(services, transmitting.materials)
    findings = FindingRoutes(services, public_origin)
    activity = ActivityRoutes(services, transmitting.signals, public_origin)
    detection = DetectionRoutes(services)
    levels = LevelRoutes(services)
    behaviors = BehaviorRoutes(services)
    exceptions = ExceptionRoutes(services)
    rules = RuleRoutes(services)
    directory = DirectoryRoutes(services, public_origin)
    users = UserRoutes(services)
    tokens = ApiTokenRoutes(services)
    return [
        # First: routes are tried in this order, and the 21 that came before took 57 µs of each finding.
        ("POST", "/findings", findings.record),
        ("POST", "/security_events", SecurityEventRoutes(services, public_origin).queue),
        ("POST", "/activity", activity.record),
        ("POST", "/integrations", integrations.create),
        ("GET", "/integrations", integrations.list_all),
        ("GET", "/integrations/reference_id/{reference_id:path}", integrations.get_by_reference),
        ("GET", "/integrations/{integration_id}", integrations.get),
        ("PUT", "/integrations/{integration_id}", integrations.update),
        ("DELETE", "/integrations/{integration_id}", integrations.delete),
        ("GET", "/integrations/{integration_id}/health", delivery_control.health),
        ("POST", "/integrations/{integration_id}/pause", delivery_control.pause),
        ("POST", "/integrations/{integration_id}/resume", delivery_control.resume),
        ("PUT", "/integrations/{integration_id}/limits", delivery_control.limit),
        ("POST", "/integrations/{integration_id}/verify", delivery_control.verify),
        ("GET", "/integrations/{integration_id}/deliveries", deliveries.list_page),
        ("POST", "/integrations/{integration_id}/deliveries/replay", replays.start),
        ("GET", "/integrations/{integration_id}/deliveries/{jti}", deliveries.get),
        ("POST", "/integrations/{integration_id}/deliveries/{jti}/retry", deliveries.retry),
        ("GET", "/integrations/{integration_id}/replays", replays.list_all),
        ("POST", "/integrations/{integration_id}/replays/{replay_id}/pause", replays.pause),
        ("POST", "/integrations/{integration_id}/replays/{replay_id}/resume", replays.resume),
        ("POST", "/integrations/{integration_id}/replays/{replay_id}/cancel", replays.cancel),
        ("POST", "/integrations/{integration_id}/credentials", credentials.create),
        ("GET", "/integrations/{integration_id}/credentials", credentials.list_all),
        ("DELETE", "/integrations/{integration_id}/credentials/{credential_id}", credentials.revoke),
        ("GET", "/integrations/{integration_id}/settings", settings.get),
        ("PUT", "/integrations/{integration_id}/settings", settings.update),
        ("GET", "/integrations/{integration_id}/tls", tls.get),
        ("PUT", "/integrations/{integration_id}/tls", tls.set),
        ("DELETE", "/integrations/{integration_id}/tls", tls.remove),
        *_source_routes(services, public_origin, transmitting),
        ("GET", "/detection", detection.get),
        ("PUT", "/detection", detection.update),
        ("GET", "/networks", detection.networks),
        ("PUT", "/networks", detection.set_networks),
        ("GET", "/behaviors", behaviors.list_all),
        ("PUT", "/behaviors", behaviors.update),
        ("POST", "/behaviors", behaviors.add),
        ("PUT", "/behaviors/{behavior_id}", behaviors.change),
        ("DELETE", "/behaviors/{behavior_id}", behaviors.retire),
        ("POST", "/levels/try", TrialRoutes(services).attempt),
        ("GET", "/rules", rules.list_all),
        ("POST", "/rules", rules.add),
        ("POST", "/rules/try", rules.check),
        ("GET", "/rules/{rule_id}", rules.get),
        ("PUT", "/rules/{rule_id}", rules.change),
        ("DELETE", "/rules/{rule_id}", rules.delete),
        ("GET", "/exceptions", exceptions.list_page),
        ("POST", "/exceptions", exceptions.add),
        ("GET", "/exceptions/{exception_id}", exceptions.get),
        ("PUT", "/exceptions/{exception_id}", exceptions.change),
        ("DELETE", "/exceptions/{exception_id}", exceptions.delete),
        ("GET", "/levels", levels.get),
        ("PUT", "/levels", levels.update),
        ("PUT", "/directory", directory.put),
        ("GET", "/directory", directory.list_page),
        ("DELETE", "/directory", directory.delete),
        ("GET", "/directory/missed", directory.missed),
        ("GET", "/health", delivery_control.health_of_all),
        *_notification_routes(services, transmitting),
        ("GET", "/tokens", tokens.list_all),
        ("POST", "/tokens", tokens.create),
        ("DELETE", "/tokens/{token_id}", tokens.revoke),
        ("GET", "/audit", AuditRoutes(services).list_page),
        ("GET", "/summary", users.summary),
        ("GET", "/users", users.find),
        *bulk_reset_routes(services),
        ("GET", "/{user_id}", users.get),  # after the routes with fixed names: the first matching path wins
        ("DELETE", "/{user_id}", users.erase),
        ("GET", "/{user_id}/export", users.export),
        ("GET", "/{user_id}/history", HistoryRoutes(services).list_page),
        ("POST", "/{user_id}/reset", users.reset),
    ]


def _notification_routes(services: Services, transmitting: Transmitting) -> list[tuple[str, str, Handler]]:
    channels = NotificationChannelRoutes(services, transmitting.notifying)
    return [
        ("GET", "/notification_channels", channels.list_all),
        ("POST", "/notification_channels", channels.add),
        ("GET", "/notification_channels/{channel_id}", channels.get),
        ("PUT", "/notification_channels/{channel_id}", channels.change),
        ("DELETE", "/notification_channels/{channel_id}", channels.delete),
        ("POST", "/notification_channels/{channel_id}/test", channels.test),
    ]


def _source_routes(
    services: Services, public_origin: str, transmitting: Transmitting
) -> list[tuple[str, str, Handler]]:
    signals = transmitting.signals
    sources = SourceRoutes(services, signals, public_origin)
    events = SourceEventRoutes(services, signals)
    return [
        ("POST", "/sources", sources.create),
        ("GET", "/sources", sources.list_all),
        ("GET", "/sources/kinds", sources.list_kinds),
        ("GET", "/sources/{source_id}", sources.get),
        ("PUT", "/sources/{source_id}", sources.update),
        ("DELETE", "/sources/{source_id}", sources.delete),
        ("GET", "/sources/{source_id}/mapping", sources.get_mapping),
        ("POST", "/sources/{source_id}/credentials", sources.create_credential),
        ("GET", "/sources/{source_id}/credentials", sources.list_credentials),
        ("DELETE", "/sources/{source_id}/credentials/{source_credential_id}", sources.revoke_credential),
        ("GET", "/sources/{source_id}/samples", sources.list_samples),
        ("POST", "/sources/{source_id}/samples/replay", sources.replay_samples),
        ("POST", "/sources/{source_id}/try", events.attempt),
        ("POST", "/sources/{source_id}/events", events.record),
        ("GET", "/sources/{source_id}/events", events.verify),
        ("POST", "/sources/{source_id}/events/{secret}", events.record),
        ("GET", "/sources/{source_id}/events/{secret}", events.verify),
        # Clients of Splunk's HTTP Event Collector append these paths to the address that they are given.
        ("POST", "/sources/{source_id}/services/collector", events.record_as_splunk),
        ("POST", "/sources/{source_id}/services/collector/event", events.record_as_splunk),
        ("GET", "/sources/{source_id}/services/collector/health", events.splunk_health),
        ("GET", "/sources/{source_id}/services/collector/health/1.0", events.splunk_health),
    ]


def receiver_routes(
    services: Services, transmitting: Transmitting
) -> list[tuple[ReceiverOperation, str, str, Handler]]:
    """Return the routes of receivers, with their own credentials and the specifications' forms of errors."""
    tokens = TokenRoutes(services)
    streams = StreamRoutes(services, transmitting)
    carried = StreamEventRoutes(services, transmitting)
    asked = ReceiverOperation
    return [
        (asked.TOKEN, "POST", "/ssf/{integration_id}/token", tokens.token),
        (asked.CREATE, "POST", "/ssf/{integration_id}/streams", streams.create),
        (asked.READ, "GET", "/ssf/{integration_id}/streams", streams.read),
        (asked.UPDATE, "PATCH", "/ssf/{integration_id}/streams", streams.update),
        (asked.REPLACE, "PUT", "/ssf/{integration_id}/streams", streams.replace),
        (asked.DELETE, "DELETE", "/ssf/{integration_id}/streams", streams.delete),
        (asked.READ_STATUS, "GET", "/ssf/{integration_id}/status", streams.read_status),
        (asked.UPDATE_STATUS, "POST", "/ssf/{integration_id}/status", streams.update_status),
        (asked.ADD_SUBJECT, "POST", "/ssf/{integration_id}/subjects:add", carried.add_subject),
        (asked.REMOVE_SUBJECT, "POST", "/ssf/{integration_id}/subjects:remove", carried.remove_subject),
        (asked.VERIFY, "POST", "/ssf/{integration_id}/verify", carried.verify),
        (asked.POLL, "POST", "/ssf/{integration_id}/poll/{stream_id}", carried.poll),
    ]


def open_routes(services: Services, transmitting: Transmitting) -> list[tuple[str, Handler]]:
    """Return the routes that need no credentials. All are GET."""
    transmitter = TransmitterRoutes(services, transmitting.keyring)
    return [
        ("/.well-known/ssf-configuration/{integration_id}", transmitter.metadata),
        ("/.well-known/ssf-configuration/{integration_id}/", transmitter.metadata),
        ("/.well-known/sse-configuration/{integration_id}", transmitter.metadata),
        ("/.well-known/sse-configuration/{integration_id}/", transmitter.metadata),
        ("/.well-known/oauth-authorization-server/{integration_id}", transmitter.authorization_server),
        ("/.well-known/oauth-protected-resource/{integration_id}", transmitter.protected_resource),
        ("/.well-known/oauth-protected-resource/ssf/{integration_id}/{endpoint:path}", transmitter.protected_resource),
        ("/jwks.json", transmitter.jwks),
        *health_routes(services),
        ("/openapi.json", documentation.openapi),
        ("/docs", documentation.home),
        ("/docs/errors", documentation.error_index),
        ("/docs/errors/{code}", documentation.error_page),
        ("/docs/{page:path}", documentation.document),
    ]


def health_routes(services: Services) -> list[tuple[str, Handler]]:
    """Return the routes of monitoring."""
    health = HealthRoutes(services)
    return [("/healthz", health.live), ("/readyz", health.ready), ("/metrics", health.metrics)]
