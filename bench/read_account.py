"""What reading the largest account takes: memory, seconds, and the size of account.json.

`python -m bench.read_account` prints a table. 5,000 users have 50 tags of 256 characters and ten inline policies each;
IAM's answers are parsed by botocore from XML, as in the function, and come from this process.
"""

import json
import subprocess
import sys
import time
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import escape

from bench.build_report import peak_mb
from bench.tables import print_table

_USERS, _AT_ONCE = 5_000, 200
_POLICY = {
    "Statement": [{"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": "arn:aws:s3:::b/*"}]
}


def measure(described: bool) -> dict[str, float]:
    """Read the account in this process; `described` gives 20 of each user's tags the name of an access key id."""
    import boto3
    from botocore.awsrequest import AWSResponse
    from botocore.compat import HTTPHeaders
    from botocore.config import Config

    from chalicelib.aws.account import read_account
    from chalicelib.evaluation.account import Wanted

    iam = boto3.client("iam", "us-east-1", config=Config(signature_version=_unsigned()))
    taken = {"before_mb": peak_mb(), "bytes": 0.0}

    def answer(request: Any, **_: object) -> Any:
        body = _answer(request.body, described)
        taken["bytes"] += len(body)
        return AWSResponse(request.url, 200, HTTPHeaders(), _Raw(body))

    iam.meta.events.register("before-send.iam", answer)
    wanted = Wanted("scan-1", "123456789012", "aws", None, root=True)
    began = time.perf_counter()
    facts = read_account(iam, wanted, ("owner", "Owner", "email"), "2026-11-22T08:00:00Z", lambda: False)
    taken["seconds"] = time.perf_counter() - began
    taken["users"] = len(facts["users"])
    taken["file_mb"] = len(json.dumps(facts, ensure_ascii=False).encode()) / 1e6
    taken["peak_mb"] = peak_mb()
    return taken


class _Raw:
    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, *_: object, **__: object) -> Any:
        yield self._body


def _unsigned() -> Any:
    from botocore import UNSIGNED

    return UNSIGNED


def _answer(sent: Any, described: bool) -> bytes:
    parameters = dict(pair.split("=") for pair in str(sent if isinstance(sent, str) else sent.decode()).split("&"))
    operation = parameters["Action"]
    if operation == "GetAccountSummary":
        result = "<SummaryMap><entry><key>AccountAccessKeysPresent</key><value>0</value></entry></SummaryMap>"
    elif operation == "ListAccountAliases":
        result = "<AccountAliases><member>acme</member></AccountAliases><IsTruncated>false</IsTruncated>"
    else:
        start = int(parameters.get("Marker", "0"))
        users = "".join(_user(number, described) for number in range(start, start + _AT_ONCE))
        more = start + _AT_ONCE < _USERS
        marker = f"<Marker>{start + _AT_ONCE}</Marker>" if more else ""
        result = f"<UserDetailList>{users}</UserDetailList><IsTruncated>{str(more).lower()}</IsTruncated>{marker}"
    return f"<{operation}Response><{operation}Result>{result}</{operation}Result></{operation}Response>".encode()


def _user(number: int, described: bool) -> str:
    names = ["owner", *(f"AKIA{number:08}{tag:08}" if described and tag < 20 else f"tag-{tag}" for tag in range(49))]  # noqa: PLR2004
    tags = "".join(f"<member><Key>{name}</Key><Value>{'ü' * 256}</Value></member>" for name in names)
    document = escape(quote(json.dumps(_POLICY)))
    policies = "".join(
        f"<member><PolicyName>p{policy}</PolicyName><PolicyDocument>{document}</PolicyDocument></member>"
        for policy in range(10)
    )
    name = f"<UserName>{'n' * 59}{number:05}</UserName><Path>/</Path>"
    return f"<member>{name}<Tags>{tags}</Tags><UserPolicyList>{policies}</UserPolicyList></member>"


def main() -> None:
    """Measure both accounts, each in a process of its own."""
    rows = []
    for described in (False, True):
        command = [sys.executable, "-m", "bench.read_account", str(described)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603  # this file
        taken = json.loads(done.stdout)
        if taken["users"] != _USERS:
            raise AssertionError("users are missing")
        rows.append(
            [
                "50 tags, 20 of them descriptions" if described else "50 tags",
                f"{taken['bytes'] / 1e6:.0f} MB",
                f"{taken['seconds']:.1f}",
                f"{taken['peak_mb']:.0f} MB",
                f"{taken['before_mb']:.0f} MB",
                f"{taken['file_mb']:.1f} MB",
            ]
        )
    header = [
        "5,000 users with ten policies and",
        "IAM's answers",
        "seconds",
        "peak memory",
        "at start",
        "account.json",
    ]
    print_table("Reading the account", "python -m bench.read_account", header, rows)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(sys.argv[1] == "True")))  # noqa: T201
    else:
        main()
