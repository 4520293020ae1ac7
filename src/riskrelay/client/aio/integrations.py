"""Integrations, and the credentials of their receivers."""

from collections.abc import Sequence
from datetime import datetime
from uuid import uuid4

from riskrelay.client.aio.session import Session
from riskrelay.client.records import (
    Health,
    Integration,
    IntegrationSettings,
    IntegrationTls,
    IssuedReceiverCredential,
    Limits,
    ReceiverCredential,
    Verifying,
)
from riskrelay.client.requests import Nothing, Request, body, given, path


class Integrations:
    """Connections from an account to receivers."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def create(
        self,
        tenant_url: str,
        *,
        integration_type: str = "Okta",
        reference_id: str | None = None,
        active: bool = True,
    ) -> Integration:
        """Create an integration.

        Args:
            tenant_url: the receiver's base URL.
            reference_id: your id, unique in the account. Default: the client makes one, so that a retry creates no
                second integration.

        Raises: InvalidRequest: another integration has this reference id (1105); ClientError.
        """
        wanted = given(
            integration_type=integration_type,
            tenant_url=tenant_url,
            reference_id=reference_id or str(uuid4()),
            active=active,
        )
        return await self._session.result(
            Request(
                operation="createIntegration",
                method="POST",
                path=path("integrations"),
                answer=Integration,
                body=wanted,
            )
        )

    async def all(self) -> list[Integration]:
        """Return the account's integrations, oldest first."""
        return await self._session.result(
            Request(operation="listIntegrations", method="GET", path=path("integrations"), answer=list[Integration])
        )

    async def get(self, integration_id: str) -> Integration:
        """Return an integration. Raises: NotFound; ClientError."""
        return await self._session.result(
            Request(
                operation="getIntegration", method="GET", path=path("integrations", integration_id), answer=Integration
            )
        )

    async def get_by_reference(self, reference_id: str) -> Integration:
        """Return the integration with a reference id. Raises: NotFound; ClientError."""
        return await self._session.result(
            Request(
                operation="getIntegrationByReference",
                method="GET",
                path=path("integrations", "reference_id", reference_id),
                answer=Integration,
            )
        )

    async def update(
        self, integration_id: str, tenant_url: str, *, reference_id: str | None = None, active: bool | None = None
    ) -> Integration:
        """Replace an integration's URL, and attempt its waiting events at once. None: unchanged.

        Raises: NotFound; InvalidRequest: another integration has this reference id (1105); ClientError.
        """
        wanted = body({"tenant_url": tenant_url, "reference_id": reference_id, "active": active})
        return await self._session.result(
            Request(
                operation="updateIntegration",
                method="PUT",
                path=path("integrations", integration_id),
                answer=Integration,
                body=wanted,
            )
        )

    async def delete(self, integration_id: str) -> None:
        """Delete an integration. Undelivered events are cancelled. Raises: NotFound; ClientError."""
        await self._session.result(
            Request(
                operation="deleteIntegration",
                method="DELETE",
                path=path("integrations", integration_id),
                answer=Nothing,
                gone=Nothing(),
            )
        )

    async def health(self, integration_id: str) -> Health:
        """Return the state of delivery, why it is so, and what to do. Raises: NotFound; ClientError."""
        return await self._session.result(
            Request(
                operation="getDeliveryHealth",
                method="GET",
                path=path("integrations", integration_id, "health"),
                answer=Health,
            )
        )

    async def health_of_all(self) -> list[Health]:
        """Return the state of delivery of every integration."""
        return await self._session.result(
            Request(operation="listDeliveryHealth", method="GET", path=path("health"), answer=list[Health])
        )

    async def verify(self, integration_id: str, state: str | None = None) -> Verifying:
        """Send a harmless test event on each stream. `deliveries.get` shows its result.

        Raises: NotFound; AnswerLost; ClientError.
        """
        return await self._session.result(
            Request(
                operation="verifyIntegration",
                method="POST",
                path=path("integrations", integration_id, "verify"),
                answer=Verifying,
                body=given(state=state),
                is_repeatable=False,
            )
        )

    async def pause(self, integration_id: str, reason: str | None = None) -> Health:
        """Stop sending until `resume`. Events are queued. Raises: NotFound; ClientError."""
        return await self._session.result(
            Request(
                operation="pauseIntegration",
                method="POST",
                path=path("integrations", integration_id, "pause"),
                answer=Health,
                body=given(reason=reason),
            )
        )

    async def resume(self, integration_id: str) -> Health:
        """End a pause, and try again what a response of the receiver has stopped. Raises: NotFound; ClientError."""
        return await self._session.result(
            Request(
                operation="resumeIntegration",
                method="POST",
                path=path("integrations", integration_id, "resume"),
                answer=Health,
            )
        )

    async def set_limits(self, integration_id: str, limits: Limits) -> Health:
        """Set the delivery limits of each stream. They apply from the next batch on. Raises: NotFound; ClientError."""
        return await self._session.result(
            Request(
                operation="limitIntegration",
                method="PUT",
                path=path("integrations", integration_id, "limits"),
                answer=Health,
                body=body(limits),
            )
        )

    async def settings(self, integration_id: str) -> IntegrationSettings:
        """Return how SETs are signed. Raises: NotFound; ClientError."""
        return await self._session.result(
            Request(
                operation="getIntegrationSettings",
                method="GET",
                path=path("integrations", integration_id, "settings"),
                answer=IntegrationSettings,
            )
        )

    async def set_signing_algorithm(self, integration_id: str, algorithm: str) -> IntegrationSettings:
        """Sign new SETs with RS256 or ES256. Raises: NotFound; ClientError."""
        return await self._session.result(
            Request(
                operation="updateIntegrationSettings",
                method="PUT",
                path=path("integrations", integration_id, "settings"),
                answer=IntegrationSettings,
                body=given(signing_algorithm=algorithm),
            )
        )

    async def tls(self, integration_id: str) -> IntegrationTls:
        """Return the certificates for pushes. Raises: NotFound; ClientError."""
        return await self._session.result(
            Request(
                operation="getIntegrationTls",
                method="GET",
                path=path("integrations", integration_id, "tls"),
                answer=IntegrationTls,
            )
        )

    async def set_tls(
        self, integration_id: str, *, ca: str | None = None, certificate: str | None = None, key: str | None = None
    ) -> IntegrationTls:
        """Replace the certificates for pushes, all in PEM.

        Args:
            ca: certificate authorities to trust.
            certificate, key: the client certificate, and its private key.

        Raises: NotFound; InvalidRequest; ClientError.
        """
        return await self._session.result(
            Request(
                operation="setIntegrationTls",
                method="PUT",
                path=path("integrations", integration_id, "tls"),
                answer=IntegrationTls,
                body=given(ca=ca, certificate=certificate, key=key),
            )
        )

    async def remove_tls(self, integration_id: str) -> IntegrationTls:
        """Remove the certificates for pushes. Raises: NotFound; ClientError."""
        return await self._session.result(
            Request(
                operation="removeIntegrationTls",
                method="DELETE",
                path=path("integrations", integration_id, "tls"),
                answer=IntegrationTls,
            )
        )


class Credentials:
    """What an integration's receiver authenticates with."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def create(
        self,
        integration_id: str,
        kind: str = "oauth_client",
        *,
        name: str = "",
        scopes: Sequence[str] | None = None,
        expires_at: datetime | None = None,
    ) -> IssuedReceiverCredential:
        """Create a credential. Its secret is only in this response.

        Args:
            kind: oauth_client or static_token.
            scopes: ssf.manage, ssf.read; None: both.
            expires_at: None: never.

        Raises: NotFound; ClientError; AnswerLost: revoke the credential that `all` shows, if any.
        """
        return await self._session.result(
            Request(
                operation="createReceiverCredential",
                method="POST",
                path=path("integrations", integration_id, "credentials"),
                answer=IssuedReceiverCredential,
                body=given(kind=kind, name=name, scopes=scopes, expires_at=expires_at),
                is_repeatable=False,
            )
        )

    async def all(self, integration_id: str) -> list[ReceiverCredential]:
        """Return an integration's credentials, without their secrets. Raises: NotFound; ClientError."""
        return await self._session.result(
            Request(
                operation="listReceiverCredentials",
                method="GET",
                path=path("integrations", integration_id, "credentials"),
                answer=list[ReceiverCredential],
            )
        )

    async def revoke(self, integration_id: str, credential_id: str) -> None:
        """Revoke a credential and its access tokens at once. Raises: NotFound; ClientError."""
        await self._session.result(
            Request(
                operation="revokeReceiverCredential",
                method="DELETE",
                path=path("integrations", integration_id, "credentials", credential_id),
                answer=Nothing,
                gone=Nothing(),
            )
        )
