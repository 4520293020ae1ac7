"""The names of the kinds of sources, as their products are called."""

from collections.abc import Mapping

KIND_NAMES: Mapping[str, str] = {
    "aws_cloudtrail": "AWS CloudTrail",
    "cloudflare_logpush": "Cloudflare Logpush",
    "crowdstrike": "CrowdStrike Falcon",
    "custom": "Custom",
    "defender": "Microsoft Defender",
    "duo": "Cisco Duo",
    "elastic_ecs": "Elastic (ECS)",
    "entra_risk_detection": "Microsoft Entra risk detections",
    "entra_sign_in": "Microsoft Entra sign-ins",
    "github_audit": "GitHub audit log",
    "google_workspace_login": "Google Workspace",
    "netskope": "Netskope",
    "ocsf": "OCSF",
    "okta_system_log": "Okta System Log",
    "sentinelone": "SentinelOne",
    "zscaler_dlp": "Zscaler DLP",
}
"""One row for each shipped mapping document; a test holds both together."""


def kind_name(kind: str) -> str:
    """Return the name of a kind; of one that this version does not ship, the kind itself.

    >>> kind_name("okta_system_log"), kind_name("acme_edr")
    ('Okta System Log', 'acme_edr')
    """
    return KIND_NAMES.get(kind, kind)
