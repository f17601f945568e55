"""Patches of moto 5.2.5: the account of SES, its identities, and its list of suppressed addresses."""

import json
import time
from typing import Any
from urllib.parse import unquote

from moto.ses.models import EmailIdentity, SESBackend, ses_backends
from moto.sesv2 import urls
from moto.sesv2.responses import SESV2Response

from localaws.moto_patches.ses import MOST_A_DAY, SesError, has_production_access
from localaws.moto_patches.wiring import replace_method

_MOST_A_SECOND = 1.0  # in the sandbox


def describe_the_account() -> None:
    """Answer GetAccount and PutAccountDetails, which moto lacks; access to production is given at once here."""

    def get_account(self: SESV2Response) -> str:
        backend = self.sesv2_backend.core_backend
        is_out = has_production_access(backend)
        quota = (50_000.0, 14.0) if is_out else (MOST_A_DAY, _MOST_A_SECOND)
        return json.dumps(
            {
                "DedicatedIpAutoWarmupEnabled": False,
                "EnforcementStatus": "HEALTHY",
                "ProductionAccessEnabled": is_out,
                "SendQuota": {
                    **dict(zip(("Max24HourSend", "MaxSendRate"), quota, strict=True)),
                    "SentLast24Hours": float(backend.sent_message_count),
                },
                "SendingEnabled": True,
                "SuppressionAttributes": {"SuppressedReasons": ["BOUNCE", "COMPLAINT"]},
            }
        )

    def put_account_details(self: SESV2Response) -> str:
        backend = self.sesv2_backend.core_backend
        setattr(backend, "production_access", bool(json.loads(self.body).get("ProductionAccessEnabled")))  # noqa: B010  # moto has no such attribute
        return "{}"

    for path in ("account$", "account/details$"):
        urls.url_paths["{0}/v2/email/" + path] = SESV2Response.dispatch
    replace_method(SESV2Response, "get_account", get_account)
    replace_method(SESV2Response, "put_account_details", put_account_details)


def verify_identities_as_ses_does() -> None:
    """Let a new identity be pending, once in an account: moto says that it succeeded, and is not verified."""
    create, described = SESBackend.create_email_identity_v2, EmailIdentity.get_response_object.fget  # type: ignore[attr-defined]  # a property

    def create_pending(self: SESBackend, email_identity: str, *arguments: Any) -> EmailIdentity:
        if email_identity in self.email_identities:
            raise SesError("AlreadyExistsException", f"Email identity {email_identity} already exist.")
        return create(self, email_identity if "@" in email_identity else email_identity.lower(), *arguments)

    def with_status(self: EmailIdentity) -> dict[str, Any]:
        return {**described(self), "VerificationStatus": "SUCCESS" if self.verified_for_sending_status else "PENDING"}

    replace_method(SESBackend, "create_email_identity_v2", create_pending)
    replace_method(EmailIdentity, "get_response_object", property(with_status))


def verify(account_id: str, region: str, *identities: str) -> None:
    """Verify domains and addresses, as who owns them does by DNS or by a link in a mail."""
    backend = ses_backends[account_id][region]
    for name in identities:
        identity = backend.email_identities.get(name) or backend.create_email_identity_v2(name, None, None, None)
        identity.verified_for_sending_status = True
        identity.dkim_attributes |= {"SigningEnabled": True, "Status": "SUCCESS"}


def suppress_addresses() -> None:
    """Keep the account's list of suppressed addresses, which moto lacks; mails to them are taken all the same here.

    https://docs.aws.amazon.com/ses/latest/dg/sending-email-suppression-list.html
    """

    def suppressed(self: SESV2Response) -> dict[str, dict[str, Any]]:
        backend = self.sesv2_backend.core_backend
        return backend.__dict__.setdefault("suppressed", {})  # type: ignore[no-any-return]  # moto has no such attribute

    def put_suppressed_destination(self: SESV2Response) -> str:
        request = json.loads(self.body)
        suppressed(self)[request["EmailAddress"]] = {**request, "LastUpdateTime": time.time()}
        return "{}"

    def get_suppressed_destination(self: SESV2Response) -> str:
        address = unquote(self.path.rpartition("/")[2])
        if address not in suppressed(self):
            raise SesError(
                "NotFoundException", f"Email address {address} does not exist on your suppression list.", 404
            )
        return json.dumps({"SuppressedDestination": suppressed(self)[address]})

    def delete_suppressed_destination(self: SESV2Response) -> str:
        get_suppressed_destination(self)
        del suppressed(self)[unquote(self.path.rpartition("/")[2])]
        return "{}"

    urls.url_paths["{0}/v2/email/suppression/addresses$"] = SESV2Response.dispatch
    urls.url_paths["{0}/v2/email/suppression/addresses/(?P<EmailAddress>[^/]+)$"] = SESV2Response.dispatch
    replace_method(SESV2Response, "put_suppressed_destination", put_suppressed_destination)
    replace_method(SESV2Response, "get_suppressed_destination", get_suppressed_destination)
    replace_method(SESV2Response, "delete_suppressed_destination", delete_suppressed_destination)
