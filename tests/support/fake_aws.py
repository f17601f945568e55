"""STS, IAM, CloudTrail and Organizations on 127.0.0.1, whose answers a test writes itself: also odd ones."""

import json
import re
import threading
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

KEY_ID = "AKIAIOSFODNN7EXAMPLE"
MFA = "arn:aws:iam::111122223333:mfa/me"


def member(**fields: str | None) -> str:
    """An item of a list; a field that is None is left out."""
    return (
        f"<member>{''.join(f'<{name}>{text}</{name}>' for name, text in fields.items() if text is not None)}</member>"
    )


OWNER = member(Key="owner", Value="web")


def user(**other: str | None) -> str:
    arn = "arn:aws:iam::111122223333:user/alice"
    created = "2020-01-01T00:00:00Z"
    return member(
        **{"Path": "/", "UserName": "alice", "UserId": "AIDAALICE", "Arn": arn, "CreateDate": created} | other
    )


def key(**other: str | None) -> str:
    fields = {"UserName": "alice", "AccessKeyId": KEY_ID, "Status": "Active", "CreateDate": "2021-01-01T00:00:00Z"}
    return member(**fields | other)


def listing(field: str, *items: str, more: str = "<IsTruncated>false</IsTruncated>") -> str:
    return f"{more}<{field}>{''.join(items)}</{field}>"


def detail(tags: str = OWNER, **other: str | None) -> str:
    """A user of GetAccountAuthorizationDetails."""
    lists = {"GroupList": "", "AttachedManagedPolicies": "", "UserPolicyList": "", "Tags": tags}
    return user(**lists | other)


def details(*users: str, groups: str = "", policies: str = "", more: str = "<IsTruncated>false</IsTruncated>") -> str:
    """An answer to GetAccountAuthorizationDetails."""
    lists = f"<GroupDetailList>{groups}</GroupDetailList><Policies>{policies}</Policies>"
    return listing("UserDetailList", *users, more=more) + lists


def error(code: str, message: str, status: int = 403) -> tuple[int, str]:
    body = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error><RequestId>r</RequestId>"
    return status, f"<ErrorResponse>{body}</ErrorResponse>"


def json_error(code: str, message: str, status: int = 400) -> tuple[int, str]:
    return status, json.dumps({"__type": code, "message": message})


SESSION = (
    "<AccessKeyId>ASIAX</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>"
    "<Expiration>2036-01-01T00:00:00Z</Expiration>"
)
ANSWERS: dict[str, Any] = {
    "GetCallerIdentity": "<Arn>arn:aws:iam::111122223333:user/me</Arn><Account>111122223333</Account>",
    "AssumeRole": f"<Credentials>{SESSION}</Credentials>",
    "ListUsers": listing("Users", user()),
    "ListAccessKeys": listing("AccessKeyMetadata", key()),
    "GetAccessKeyLastUsed": (
        "<UserName>alice</UserName><AccessKeyLastUsed><LastUsedDate>2026-11-20T00:00:00Z</LastUsedDate>"
        "<ServiceName>s3</ServiceName><Region>eu-west-1</Region></AccessKeyLastUsed>"
    ),
    "GetAccountAuthorizationDetails": details(detail()),
    "ListAccountAliases": listing("AccountAliases"),
    "GetAccountSummary": "<SummaryMap><entry><key>AccountAccessKeysPresent</key><value>0</value></entry></SummaryMap>",
}


def session_of(account_id: str) -> str:
    """An answer to AssumeRole with credentials of an account."""
    return f"<Credentials>{SESSION.replace('ASIAX', f'ASIA{account_id}')}</Credentials>"


def account_of(call: dict[str, str]) -> str:
    """The account of whose session a call was made, empty for other credentials."""
    found = re.match("ASIA([0-9]{12})/", call["credential"])
    return found[1] if found else ""


def let_roles_be_assumed(aws: "FakeAws") -> None:
    """Give a session in any account whose role is assumed, and say of each call of whose session it is."""
    aws.answers["AssumeRole"] = lambda call: session_of(call["RoleArn"].split(":")[4])
    aws.answers["GetCallerIdentity"] = lambda call: f"<Account>{account_of(call)}</Account>"


class FakeAws:
    """Answers by operation: with a result, a status and a whole body, a list of these, one a call, or by a function.

    Organizations and CloudTrail answer in JSON: there, a result is a dictionary.
    """

    def __init__(self) -> None:
        self.answers = dict(ANSWERS)
        self.calls: list[dict[str, str]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "FakeAws":
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()  # seconds to its end
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def called(self, operation: str) -> int:
        """How often an operation was called."""
        return sum(call["Action"] == operation for call in self.calls)

    def answer(self, call: dict[str, str]) -> tuple[int, str]:
        self.calls.append(call)
        operation = call["Action"]
        answer = self.answers[operation]
        if callable(answer):
            answer = answer(call)
        if isinstance(answer, list):
            answer = answer[min(self.called(operation), len(answer)) - 1]
        if isinstance(answer, tuple):
            return answer
        if isinstance(answer, dict):
            return 200, json.dumps(answer)
        return 200, f"<{operation}Response><{operation}Result>{answer}</{operation}Result></{operation}Response>"


def _handler(aws: FakeAws) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            target = self.headers.get("X-Amz-Target")
            form = {**json.loads(body), "Action": target.rpartition(".")[2]} if target else dict(parse_qsl(body))
            scope = re.search("Credential=([^,]*)", self.headers.get("Authorization", ""))
            status, answer = aws.answer({**form, "credential": scope[1] if scope else ""})
            self.send_response(status)
            self.send_header("Content-Type", "text/xml")
            self.send_header("Content-Length", str(len(answer.encode())))
            self.end_headers()
            self.wfile.write(answer.encode())

        def log_message(self, *_: Any) -> None:
            """Keep quiet."""

    return Handler


def without(settings: Iterable[str], environment: dict[str, str]) -> dict[str, str]:
    """The environment without settings that begin so."""
    return {name: value for name, value in environment.items() if not name.startswith(tuple(settings))}
