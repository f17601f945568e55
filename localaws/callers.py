"""Who calls the local AWS, by access key id: an administrator, a function by its role, or the session of a role."""

import base64
import hashlib
import re
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from localaws.clients import FUNCTION, GUEST, INTERPRETER

_COUNTED = (INTERPRETER, FUNCTION, GUEST)
_ACCOUNT_ID = re.compile("[0-9]{12}")
_OF_A_SESSION = "ASIA"  # as access key ids of sessions begin


@dataclass(frozen=True)
class Caller:
    """A principal of an account, which calls with an access key.

    `principal_arn` is the ARN of the user or role, by which policies know it, and `arn` that of the session, by which
    AWS names it. `is_counted`: its calls are the scan's. `role_arn` is None for an administrator. `token` and
    `expires_at` are those of a session of AssumeRole, whose role's policies say what it may do.
    """

    account_id: str
    arn: str
    principal_arn: str
    user_id: str
    is_counted: bool = False
    role_arn: str | None = None
    token: str | None = None
    expires_at: float = float("inf")

    @property
    def is_session(self) -> bool:
        """Whether the credentials are AssumeRole's."""
        return self.token is not None


@dataclass(frozen=True)
class Credentials:
    """What AssumeRole gives, and Lambda to a function."""

    access_key_id: str
    secret_access_key: str
    session_token: str
    expires_at: float


class Callers:
    """Knows the callers by their access key ids; one of 12 digits is an administrator of that account."""

    def __init__(self, account_id: str, clock: Callable[[], float] = time.time) -> None:
        self._account_id = account_id
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, Caller] = {}

    def of(self, access_key_id: str) -> Caller:
        """Return who calls with an access key: an administrator where it is unknown, and no session's."""
        if known := self._known.get(access_key_id):
            return known
        account_id = access_key_id if _ACCOUNT_ID.fullmatch(access_key_id) else self._account_id
        arn = f"arn:aws:iam::{account_id}:user/administrator"
        token = "" if access_key_id.startswith(_OF_A_SESSION) else None  # which is never the one that is sent
        return Caller(account_id, arn, arn, "AIDAADMINISTRATOR0000", access_key_id in _COUNTED, token=token)

    def has_expired(self, caller: Caller) -> bool:
        """Return whether a session is over."""
        return self._clock() >= caller.expires_at

    def begin_session(self, by: Caller, role_arn: str, role_id: str, name: str, seconds: float) -> Credentials:
        """Give credentials of a role, whose calls are counted where its caller's are."""
        caller = _of_role(role_arn, role_id, name)
        until, token = self._clock() + seconds, secrets.token_urlsafe(48)
        key_id = f"{_OF_A_SESSION}{base64.b32encode(secrets.token_bytes(10)).decode()}"
        with self._lock:
            self._known[key_id] = replace(caller, is_counted=by.is_counted, token=token, expires_at=until)
        return Credentials(key_id, secrets.token_urlsafe(30), token, until)

    def key_of_function(self, function_name: str, role_arn: str) -> str:
        """Return the access key id by which a function calls as its role, the same one each time."""
        return self._key_of(_of_role(role_arn, "AROAFUNCTION000000000", function_name))

    def key_of_machine(self, name: str, role_arn: str) -> str:
        """Return the access key id by which a state machine calls as its role, the same one each time."""
        return self._key_of(_of_role(role_arn, "AROAMACHINE0000000000", name))

    def _key_of(self, caller: Caller) -> str:
        known = hashlib.sha256(f"{caller.role_arn} {caller.arn}".encode()).digest()
        key_id = f"{_OF_A_SESSION}{base64.b32encode(known)[:16].decode()}"
        with self._lock:
            self._known[key_id] = replace(caller, is_counted=True)
        return key_id


def _of_role(role_arn: str, role_id: str, session_name: str) -> Caller:
    account_id, role_name = role_arn.split(":")[4], role_arn.rpartition("/")[2]
    arn = f"arn:aws:sts::{account_id}:assumed-role/{role_name}/{session_name}"
    return Caller(account_id, arn, role_arn, f"{role_id}:{session_name}", role_arn=role_arn)
