"""Patches of moto's STS: it gives anybody credentials of any role, whether that exists or not."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, NoReturn

from moto.core.exceptions import _RESTError
from moto.core.responses import ActionResult
from moto.iam.models import Role
from moto.sts.exceptions import STSValidationError
from moto.sts.responses import TokenResponse

from localaws.authorization import find_role, role_to_assume
from localaws.callers import Caller
from localaws.calls import account_of, credential_of
from localaws.moto_patches.wiring import Wiring, replace_method

_DEFAULT_SECONDS = _MOST_OF_A_CHAIN = 3600


def assume_roles_as_sts_does() -> None:
    """Give credentials to those alone whom the role's trust policy and their own policies allow it.

    https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
    """

    def assume_role(self: TokenResponse) -> ActionResult:
        gate, caller = Wiring.current.gate, _caller(self)
        role_arn, name = self._get_param("RoleArn"), self._get_param("RoleSessionName")
        seconds = self._get_int_param("DurationSeconds", _DEFAULT_SECONDS)
        account_id = account_of(role_arn)
        role = role_to_assume(caller, role_arn, self._get_param("ExternalId"))
        if role is None or account_id in gate.closed or caller.account_id in gate.closed:
            _refuse(caller, role_arn)
        _check_duration(caller, role, seconds)
        faults = gate.faults.of_account(account_id).sts
        if faults.answers_as:
            role_arn = role_arn.replace(f":{account_id}:", f":{faults.answers_as}:")
            role = find_role(role_arn) or role
        lasts = seconds if faults.session_seconds is None else faults.session_seconds
        given = gate.callers.begin_session(caller, role_arn, role.id, name, lasts)
        session = gate.callers.of(given.access_key_id)
        credentials = {
            "AccessKeyId": given.access_key_id,
            "SecretAccessKey": given.secret_access_key,
            "SessionToken": given.session_token,
            "Expiration": datetime.fromtimestamp(given.expires_at, UTC).replace(microsecond=0),
        }
        user = {"AssumedRoleId": session.user_id, "Arn": session.arn}
        return ActionResult({"Credentials": credentials, "AssumedRoleUser": user, "PackedPolicySize": 6})

    replace_method(TokenResponse, "assume_role", assume_role)


def identify_callers() -> None:
    """Answer GetCallerIdentity for functions and for the sessions of roles: moto knows neither."""
    identify = TokenResponse.get_caller_identity

    def get_caller_identity(self: TokenResponse) -> ActionResult:
        caller = _caller(self)
        if caller.role_arn is None and caller.account_id == self.current_account == Wiring.current.gate.account_id:
            return identify(self)
        return ActionResult({"UserId": caller.user_id, "Account": caller.account_id, "Arn": caller.arn})

    replace_method(TokenResponse, "get_caller_identity", get_caller_identity)


def _caller(response: TokenResponse) -> Caller:
    environ: Any = response.normalized_request.environ
    return Wiring.current.gate.callers.of(credential_of(environ)[0])


def _refuse(caller: Caller, role_arn: str) -> NoReturn:
    message = f"User: {caller.arn} is not authorized to perform: sts:AssumeRole on resource: {role_arn}"
    error = _RESTError("AccessDenied", message)
    error.code = HTTPStatus.FORBIDDEN
    raise error


def _check_duration(caller: Caller, role: Role, seconds: int) -> None:
    """Refuse a session that is longer than the role, or a function's own session, lets it be.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html#iam-term-role-chaining
    """
    if caller.role_arn is not None and seconds > _MOST_OF_A_CHAIN:
        raise STSValidationError(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"
        )
    if seconds > int(role.max_session_duration or _MOST_OF_A_CHAIN):
        raise STSValidationError("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
