"""Examples of operations with `riskrelay.client`."""

import re
from collections.abc import Mapping

_CALLS = {
    "listIntegrations": "integrations.all()",
    "createIntegration": 'integrations.create("https://example.okta.com", reference_id="okta-production")',
    "getIntegrationByReference": 'integrations.get_by_reference("{reference_id}")',
    "getIntegration": 'integrations.get("{integration_id}")',
    "updateIntegration": 'integrations.update("{integration_id}", "https://example.okta.com", active=True)',
    "deleteIntegration": 'integrations.delete("{integration_id}")',
    "getDeliveryHealth": 'integrations.health("{integration_id}")',
    "listDeliveryHealth": "integrations.health_of_all()",
    "verifyIntegration": 'integrations.verify("{integration_id}")',
    "pauseIntegration": 'integrations.pause("{integration_id}", "maintenance until 16:00")',
    "resumeIntegration": 'integrations.resume("{integration_id}")',
    "limitIntegration": 'integrations.set_limits("{integration_id}", Limits(pushes_per_second=20, concurrency=4))',
    "getIntegrationSettings": 'integrations.settings("{integration_id}")',
    "updateIntegrationSettings": 'integrations.set_signing_algorithm("{integration_id}", "ES256")',
    "getIntegrationTls": 'integrations.tls("{integration_id}")',
    "removeIntegrationTls": 'integrations.remove_tls("{integration_id}")',
    "listReceiverCredentials": 'credentials.all("{integration_id}")',
    "createReceiverCredential": 'credentials.create("{integration_id}", "oauth_client", name="device manager")',
    "revokeReceiverCredential": 'credentials.revoke("{integration_id}", "{credential_id}")',
    "listDeliveries": 'deliveries.all("{integration_id}", state="dead")',
    "getDelivery": 'deliveries.get("{integration_id}", "{jti}")',
    "retryDelivery": 'deliveries.retry("{integration_id}", "{jti}")',
    "startReplay": 'replays.start("{integration_id}", "dead", dry_run=True)',
    "listReplays": 'replays.all("{integration_id}")',
    "pauseReplay": 'replays.pause("{integration_id}", "{replay_id}")',
    "resumeReplay": 'replays.resume("{integration_id}", "{replay_id}")',
    "cancelReplay": 'replays.cancel("{integration_id}", "{replay_id}")',
    "recordFindings": 'findings.send("high_dlp", "kai@example.com", name="Kai Berg")',
    "listSourceKinds": "sources.kinds()",
    "createSource": 'sources.create("okta_system_log", "Okta production")',
    "listSources": "sources.all()",
    "getSource": 'sources.get("{source_id}")',
    "deleteSource": 'sources.delete("{source_id}")',
    "getSourceMapping": 'sources.mapping("{source_id}")',
    "listSourceCredentials": 'sources.credentials("{source_id}")',
    "createSourceCredential": 'sources.create_credential("{source_id}")',
    "revokeSourceCredential": 'sources.revoke_credential("{source_id}", "{source_credential_id}")',
    "listSourceSamples": 'sources.samples("{source_id}")',
    "replaySourceSamples": 'sources.replay_samples("{source_id}")',
    "listBehaviors": "behaviors.all()",
    "updateBehaviors": 'behaviors.set("high_dlp", enabled=True, risk_level="high")',
    "retireBehavior": 'behaviors.retire("{behavior_id}")',
    "getSummary": "users.at_risk()",
    "getUser": 'users.get("{user_id}")',
    "listLevelHistory": 'users.history("{user_id}")',
    "resetUser": 'users.reset("{user_id}", "Checked with the user.")',
    "eraseUser": 'users.erase("{user_id}")',
    "exportUser": 'users.export("{user_id}")',
    "listBulkResets": "resets.all()",
    "getBulkReset": 'resets.get("{reset_id}")',
    "pauseBulkReset": 'resets.pause("{reset_id}")',
    "resumeBulkReset": 'resets.resume("{reset_id}")',
    "cancelBulkReset": 'resets.cancel("{reset_id}")',
}
"""The method of the client for each operation that has one, with the parameters of the path by their names."""

_PAGED = {"listDeliveries", "getSummary", "listLevelHistory"}
_SILENT = {"deleteIntegration", "revokeReceiverCredential", "deleteSource", "revokeSourceCredential"} | {
    "retireBehavior",
    "resetUser",
}


def client_example(operation_id: str, parameters: Mapping[str, str]) -> str | None:
    """Return a program that calls the operation; None if the client has no method for it.

    Args:
        parameters: values for the parameters of the path.
    """
    if operation_id not in _CALLS:
        return None
    call = "client." + re.sub(r"{(\w+)}", lambda match: parameters[match[1]], _CALLS[operation_id])
    names = "Client, Limits" if "Limits(" in call else "Client"
    lines = [f"from riskrelay.client import {names}\n", "with Client() as client:"]
    if operation_id in _PAGED:
        lines += [f"    for one in {call}:", "        print(one)"]
    else:
        lines.append(f"    {call}" if operation_id in _SILENT else f"    print({call})")
    return "\n".join(lines)
