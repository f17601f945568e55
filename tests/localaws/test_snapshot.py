"""A snapshot of an account, read with the caller's own credentials, and scanned as the account itself is."""

import json
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from moto.iam.access_control import IAMPolicy, PermissionResult

from localaws.accounts import snapshot
from localaws.accounts.account_file import load_account
from localaws.accounts.anonymize import anonymize
from localaws.accounts.iam_answers import is_odd, odd_answer
from localaws.accounts.snapshot import READ_POLICY, take_snapshot, write_privately
from localaws.clients import GUEST, REGION
from localaws.environment import PROJECT
from localaws.faults import Faults, parse_faults
from tests.support.forked import localaws_command
from tests.support.scanner import Scanner, user

OLD, NEW = "2021-11-27T20:15:43Z", "2026-11-20T08:00:00Z"
PEOPLE = [
    user(
        f"user-{number:03}",
        *([OLD, NEW] if number % 3 == 0 else [NEW] * (number % 2)),
        tags={"owner": f"team-{number % 7}@example.com", "cost": "x"},
        path="/ops/" if number % 5 == 0 else "/",
    )
    for number in range(300)
]
for number in (0, 30):
    PEOPLE[number]["access_keys"][0]["last_used"] = {
        "at": "2026-11-19T09:00:00Z",
        "service": "sqs",
        "region": "eu-west-1",
    }
PEOPLE[60]["tags"] |= {"iam-key-age:exempt-until": "2027-01-31", "iam-key-age:exempt-reason": "CHG-1"}
PEOPLE[90]["policies"] = ["AdministratorAccess", "deployers"]
PEOPLE[93]["groups"] = ["acme-admins"]
PEOPLE[96]["inline_policies"] = {"acme": {"Statement": {"Effect": "Allow", "Action": "iam:*", "Resource": "*"}}}
PEOPLE[99]["policies"] = ["AWSCompromisedKeyQuarantineV2"]
PEOPLE[102]["policies"] = ["untold"]
FILES = {"Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::acme-files/*"}]}
ACCOUNT: dict[str, Any] = {
    "alias": "acme-web",
    "policies": {
        "deployers": FILES,
        "all-but-files": {"Statement": {"Effect": "Allow", "NotAction": "s3:*", "Resource": "arn:aws:iam::*:*"}},
        "untold": None,
    },
    "groups": [{"group_name": "acme-admins", "policies": ["all-but-files"]}],
}
OF_THE_ACCOUNT = ("account_alias", "account_unknown", "quarantined", "two_active_keys", "severities", "controls")
DENIED = ["user-004", "user-033"]


@pytest.fixture(scope="module")
def account(scanner: Scanner) -> Iterator[Scanner]:
    """An account of 300 users of whom two may not be asked for."""
    yield scanner
    scanner.aws.inject(Faults())


@pytest.fixture(autouse=True)
def _as_it_was(account: Scanner) -> None:
    account.seed(PEOPLE, root_access_keys=1, **ACCOUNT)
    faults = {"iam": {"deny": DENIED}}
    account.aws.inject(parse_faults(json.dumps(faults)))


def localaws(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    mine = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    command = [*localaws_command(), "snapshot", *arguments]
    return subprocess.run(
        command, cwd=PROJECT, env={**mine, **environment}, capture_output=True, text=True, timeout=170, check=False
    )


def credentials(scanner: Scanner) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": scanner.aws.endpoint_url,
        "AWS_ACCESS_KEY_ID": GUEST,
        "AWS_SECRET_ACCESS_KEY": "unused",
        "AWS_DEFAULT_REGION": REGION,
    }


def test_a_scan_of_the_snapshot_finds_what_a_scan_of_the_account_finds(account: Scanner, tmp_path: Path) -> None:
    direct = account.aws.scan('{"as_of": "2026-11-22T08:00:00Z"}').report
    account.aws.forget_calls()
    out = tmp_path / "private" / "account.json"
    account.aws.inject(parse_faults(json.dumps({"iam": {"throttle_ratio": 0.03, "deny": DENIED}})))

    done = localaws("--out", str(out), **credentials(account))

    assert done.returncode == 0, done.stderr
    assert account.aws.gate.throttled > 0
    assert account.aws.calls().keys() == {f"iam:{action}" for action in actions_of_the_policy()} | {
        "sts:GetCallerIdentity"
    }
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert list(out.parent.iterdir()) == [out]
    assert "300/300" in done.stderr
    for name in DENIED:
        assert f"Refused: ListAccessKeys of {name}" in done.stderr
    read = load_account(out)
    assert read.root.access_keys == 1
    account.aws.inject(Faults())
    account.aws.seed(read)
    scanned = account.aws.scan('{"as_of": "2026-11-22T08:00:00Z"}').report
    for field in ("coverage", "totals", "findings", "exempt", "not_found", "details_unknown", *OF_THE_ACCOUNT):
        assert scanned[field] == direct[field], field
    administrators = {one["user_name"]: one["administers_by"] for one in direct["findings"] if one["administers_by"]}
    assert administrators.keys() == {"user-090", "user-093", "user-096"}
    assert scanned["account_alias"] == "acme-web"
    assert [one["user_name"] for one in scanned["quarantined"]] == ["user-099"]
    assert {one["user_name"] for one in scanned["findings"] if one["can_administer"] == "unknown"} == {"user-102"}
    assert {unchecked["user_name"] for unchecked in scanned["unchecked"]} == set(DENIED)
    assert all("explicit deny" in unchecked["cause"] for unchecked in scanned["unchecked"])


def actions_of_the_policy() -> set[str]:
    return {action.removeprefix("iam:") for statement in READ_POLICY["Statement"] for action in statement["Action"]}


def test_a_call_that_is_refused_for_details_or_for_the_root_user_stays_unknown(
    scanner: Scanner, tmp_path: Path
) -> None:
    refused = "AccessDenied: no"
    people = [{**user("alice", OLD), "denied": {"GetAccessKeyLastUsed": refused, "ListUserTags": refused}}]
    people[0]["access_keys"][0]["access_key_id"] = "AKIAIOSFODNN7EXAMPLE"
    path = tmp_path / "account.json"
    path.write_text(json.dumps({"root": {"denied": refused}, "users": people}))
    scanner.aws.seed(load_account(path))

    report = scanner.aws.scan("{}").report

    assert report["root"]["verdict"] == "unknown"
    assert "AccessDenied: no" in report["root"]["cause"]
    [finding] = report["findings"]
    assert (finding["last_used"], finding["owner"], finding["advice"]) == ("unknown", "unknown", None)
    [unknown] = report["details_unknown"]
    assert "AccessDenied: no" in unknown["cause"]


def test_an_anonymous_snapshot_tells_no_name_and_scans_alike(account: Scanner, tmp_path: Path) -> None:
    out = tmp_path / "account.json"

    done = localaws("--anonymize", "--out", str(out), **credentials(account))

    assert done.returncode == 0, done.stderr
    text = out.read_text()
    for told in ("user-299", "team-", "example.com", "/ops/", "CHG-1", "cost", "acme", "deployers", "all-but-files"):
        assert told not in text
    read = load_account(out)
    assert [person.path for person in read.users[:6]] == ["/path-0001/", "/", "/", "/", "/", "/path-0001/"]
    assert len({person.tags["owner"] for person in read.users if person.tags}) == 7
    account.aws.inject(Faults())
    account.aws.seed(read)
    report = account.aws.scan('{"as_of": "2026-11-22T08:00:00Z"}').report
    assert report["totals"]["expired"] == 98  # 100 users have an old key, one is exempt, one may not be asked for
    assert report["totals"]["exempt"] == 1
    assert report["coverage"]["users_unchecked"] == len(DENIED)
    assert sum(one["can_administer"] is True for one in report["findings"]) == 3
    assert len(report["quarantined"]) == 1


def test_names_are_replaced_by_the_same_one_wherever_they_stand() -> None:
    tags = {"owner": "web", "x": "web", "y": ""}
    tags |= {"iam-key-age:exempt-until": "until zoe leaves", "iam-key-age:exempt-reason": "zoe"}
    person: dict[str, Any] = {"path": "/a/", "tags": tags, "access_keys": [], "denied": {}}
    users = [{"user_name": name, **person} for name in ("zoe", "amy")]

    replaced = anonymize({"account_id": "210987654321", "root": {"denied": "User: zoe"}, "users": users})

    assert "zoe" not in json.dumps(replaced)
    assert [one["user_name"] for one in replaced["users"]] == ["user-0001", "user-0002"]
    assert replaced["users"][0]["tags"] == {
        "owner": "value-0001",
        "tag-0001": "value-0001",
        "tag-0002": "",
        "iam-key-age:exempt-until": "value-0002",
        "iam-key-age:exempt-reason": "value-0003",
    }
    assert replaced["users"][1]["tags"] == replaced["users"][0]["tags"]


def test_a_blank_owner_or_reason_stays_blank_and_exempts_nobody() -> None:
    tags = {"owner": " ", "iam-key-age:exempt-until": "2027-01-31", "iam-key-age:exempt-reason": "\u00a0 "}
    alice = {"user_name": "alice", "path": "/", "tags": tags, "access_keys": [], "denied": {}}

    replaced = anonymize({"account_id": "210987654321", "root": {"access_keys": 0}, "users": [alice]})

    assert replaced["users"][0]["tags"] == tags


def test_a_tag_that_describes_a_key_is_replaced_as_the_key_is() -> None:
    first, second, gone = "AKIAFIRSTEXAMPLE0000", "AKIASECONDEXAMPLE000", "AKIAGONEEXAMPLE00000"
    keys = [{"access_key_id": key_id, "created_at": OLD, "status": "Active"} for key_id in (first, second)]
    tags = {second: "nightly backup", "owner": "nightly backup", gone: "the old one", first: ""}
    alice = {"user_name": "alice", "path": "/", "tags": tags, "access_keys": keys, "denied": {}}
    bob = {**alice, "user_name": "bob", "tags": {first: "alice's"}, "access_keys": []}

    replaced = anonymize({"account_id": "210987654321", "root": {"access_keys": 0}, "users": [alice, bob]})

    ids = [key["access_key_id"] for key in replaced["users"][0]["access_keys"]]
    assert ids == ["AKIA0000000000000001", "AKIA0000000000000002"]
    assert replaced["users"][0]["tags"] == {
        ids[1]: "value-0001",
        "owner": "value-0001",
        "tag-0001": "value-0002",
        ids[0]: "",
    }
    assert replaced["users"][1]["tags"] == {ids[0]: "value-0003"}
    assert not any(key_id in json.dumps(replaced) for key_id in (first, second, gone))


def test_the_cause_of_an_odd_answer_is_replaced_and_stays_one() -> None:
    said = odd_answer("ListUserTags", "the answer to ListUserTags has the tag zoe twice")
    denied = {"ListAccessKeys": "AccessDenied: User: zoe is not authorized", "ListUserTags": said}
    zoe = {"user_name": "zoe", "path": "/", "tags": {}, "access_keys": [], "denied": denied}

    replaced = anonymize({"account_id": "210987654321", "root": {"denied": said}, "users": [zoe]})

    assert "zoe" not in json.dumps(replaced)
    assert is_odd(replaced["users"][0]["denied"]["ListUserTags"])
    assert is_odd(replaced["root"]["denied"])
    assert not is_odd(replaced["users"][0]["denied"]["ListAccessKeys"])


def test_the_policy_that_is_printed_allows_what_is_called_and_no_more() -> None:
    done = localaws("--print-policy")

    policy = IAMPolicy(json.dumps(json.loads(done.stdout)))
    alice = "arn:aws:iam::123456789012:user/ops/alice"
    of_account = ("ListUsers", "GetAccountSummary", "GetAccountAuthorizationDetails", "ListAccountAliases")
    allowed = [(f"iam:{action}", "*") for action in of_account]
    allowed += [(f"iam:{action}", alice) for action in ("ListAccessKeys", "GetAccessKeyLastUsed")]
    for action, resource in allowed:
        assert policy.is_action_permitted(action, resource) == PermissionResult.PERMITTED
    for action in (
        "iam:ListUserTags",
        "iam:CreateAccessKey",
        "iam:DeleteAccessKey",
        "iam:UpdateAccessKey",
        "iam:GetUser",
        "s3:GetObject",
    ):
        assert policy.is_action_permitted(action, alice) == PermissionResult.NEUTRAL


@pytest.mark.parametrize(
    ("arguments", "environment", "status", "says"),
    [
        (
            (),
            {"AWS_EC2_METADATA_DISABLED": "true", "HOME": "/nowhere"},
            1,
            "Unable to locate credentials. Log in, or name",
        ),
        (("--profile", "nobody"), {"HOME": "/nowhere"}, 1, "The config profile (nobody) could not be found"),
        (("--out", ""), {}, 2, '"" is not accepted; it takes a path'),
        (("--outs", "x"), {}, 2, "unrecognized arguments"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(
    arguments: tuple[str, ...], environment: dict[str, str], status: int, says: str
) -> None:
    done = localaws(*arguments, **environment)

    assert done.returncode == status
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_place_that_cannot_be_written_to_is_said_and_nothing_is_left(account: Scanner, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    done = localaws("--out", str(tmp_path / "file" / "account.json"), **credentials(account))

    assert done.returncode == 2
    assert "cannot be written" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_folder_in_the_place_of_the_file_is_said_before_the_account_is_read(account: Scanner, tmp_path: Path) -> None:
    account.aws.forget_calls()

    done = localaws("--out", str(tmp_path), **credentials(account))

    assert (done.returncode, done.stderr) == (2, f"localaws: {tmp_path}: cannot be written: Is a directory\n")
    assert account.aws.calls() == {}


def test_a_file_is_replaced_whole_and_private(tmp_path: Path) -> None:
    path = tmp_path / "account.json"
    path.write_text("old")
    path.chmod(0o644)

    write_privately({"users": []}, path)

    assert json.loads(path.read_text()) == {"users": []}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_users_that_cannot_be_listed_are_no_snapshot(account: Scanner, monkeypatch: pytest.MonkeyPatch) -> None:
    from localaws.accounts.snapshot import SnapshotError

    for name, value in credentials(account).items():
        monkeypatch.setenv(name, value)
    account.aws.gate.deny({("ListUsers", ""): "User: arn is not authorized to perform: iam:ListUsers"})
    try:
        with pytest.raises(SnapshotError, match=r"AccessDenied: User: arn is not authorized .* --print-policy prints"):
            take_snapshot(None)
    finally:
        account.aws.gate.deny({})


def test_make_scan_account_ends_in_the_report_of_the_account(account: Scanner, project_copy: Path) -> None:
    mine = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}

    done = subprocess.run(
        ["make", "scan-account"],
        cwd=project_copy,
        env={**mine, **credentials(account)},
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Kept 300 users in out/account/account.json, which you alone can read." in done.stderr
    assert "Users: 300 listed = 298 checked + 0 not found + 2 unchecked." in done.stdout
    assert "Open out/account/report.html in a browser" in done.stdout
    assert stat.S_IMODE((project_copy / "out" / "account").stat().st_mode) == 0o700


@pytest.mark.parametrize("code", ["ExpiredToken", "Throttling", "InternalError"])
def test_what_is_no_refusal_is_no_snapshot(code: str) -> None:
    def fail() -> None:
        raise ClientError({"Error": {"Code": code, "Message": "over"}}, "ListAccessKeys")

    denied: dict[str, str] = {}
    with pytest.raises(ClientError, match="over"):
        snapshot._unless_refused(denied, "ListAccessKeys", fail)
    assert denied == {}


def test_a_key_that_is_deleted_meanwhile_is_left_out_and_its_user_is_not(scanner: Scanner) -> None:
    scanner.seed([{**user("bob", OLD, OLD)}])
    iam = scanner.aws.client("iam")
    last_used = iam.get_access_key_last_used
    first = iam.list_access_keys(UserName="bob")["AccessKeyMetadata"][0]["AccessKeyId"]

    def gone(AccessKeyId: str) -> Any:  # noqa: N803  # botocore's name
        if AccessKeyId == first:
            raise iam.exceptions.NoSuchEntityException({"Error": {"Code": "NoSuchEntity"}}, "GetAccessKeyLastUsed")
        return last_used(AccessKeyId=AccessKeyId)

    iam.get_access_key_last_used = gone
    read = snapshot._read_user(iam, {"UserName": "bob", "Path": "/"})

    assert read is not None
    assert first not in [key["access_key_id"] for key in read["access_keys"]]
    assert len(read["access_keys"]) == 1
