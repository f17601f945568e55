"""What a scan reads of its account once: all pages, and users who come and go while it runs."""

import json
from typing import Any

import pytest
from moto.iam.responses import IamResponse

from tests.support.iam_errors import deny, run_before
from tests.support.scanner import Scanner, aged, iam_calls

QUARANTINE = "AWSCompromisedKeyQuarantineV3"


def owned(name: str, *ages: float, **more: Any) -> dict[str, Any]:
    return {**aged(name, *ages), "tags": {"owner": f"{name}@example.com"}, **more}


def test_an_account_of_1000_users_is_read_in_pages_of_200_and_each_finding_has_its_users_facts(
    scanner: Scanner,
) -> None:
    people = [owned(f"u{number:04}", 200, policies=["ReadOnlyAccess"]) for number in range(1_000)]
    people[7]["policies"] = ["AdministratorAccess"]
    people[993]["policies"] = [QUARANTINE]

    result = scanner.full_scan(people, max_age_days=93)

    report, calls = result.report, iam_calls(result)
    assert calls["iam:GetAccountAuthorizationDetails"] == 6  # 1,000 users and three policies, 200 a page
    assert "iam:ListUserTags" not in calls
    assert {finding["user_name"]: finding["owner"] for finding in report["findings"]} == {
        person["user_name"]: person["tags"]["owner"] for person in people
    }
    assert [finding["user_name"] for finding in report["findings"][:2]] == ["u0993", "u0007"] or [
        finding["severity"] for finding in report["findings"][:2]
    ] == ["critical", "high"]
    assert report["severities"]["critical"] == 1
    assert [user["user_name"] for user in report["quarantined"]] == ["u0993"]
    assert report["account_unknown"] == []
    assert result.mail[0]["Subject"].startswith("1 user quarantined, ")


def between_the_facts_and_the_list(monkeypatch: pytest.MonkeyPatch, step: Any) -> None:
    done: list[bool] = []

    def once(response: IamResponse) -> None:
        if not done:
            done.append(True)
            step(response.backend)

    run_before(monkeypatch, "list_users", once)


def test_a_user_deleted_between_the_facts_and_the_list_is_said_and_nobody_else_is_touched(
    scanner: Scanner, monkeypatch: pytest.MonkeyPatch
) -> None:
    between_the_facts_and_the_list(monkeypatch, lambda iam: iam.users.pop("gone"))

    result = scanner.full_scan([owned("alice", 200), owned("gone", 300)])

    report = result.report
    assert report["coverage"]["users_listed"] == report["coverage"]["users_checked"] == 1
    assert [finding["user_name"] for finding in report["findings"]] == ["alice"]
    [said] = [what for what in report["not_covered"] if "deleted or renamed" in what]
    assert said.startswith("1 of the users whom IAM described when the scan began")
    assert said in " ".join(result.mail[0]["Message"].split())


def test_an_overdue_key_of_a_user_who_is_renamed_meanwhile_is_unknown_and_never_deleted(
    scanner: Scanner, monkeypatch: pytest.MonkeyPatch
) -> None:
    scanner.full_scan([owned("alice", 200), owned("zoe", 300)])
    between_the_facts_and_the_list(monkeypatch, lambda iam: iam.users.pop("zoe"))  # to a name that was listed already

    report = scanner.full_scan([owned("alice", 200), owned("zoe", 300)]).report

    assert [key["user_name"] for key in report["changes"]["unknown"]] == ["zoe"]
    assert report["changes"]["resolved"] == []


def test_a_user_created_between_the_facts_and_the_list_is_checked_and_leaves_the_report_complete(
    scanner: Scanner, monkeypatch: pytest.MonkeyPatch
) -> None:
    def create(iam: Any) -> None:
        iam.create_user(scanner.aws.client("iam").meta.region_name, "new")
        iam.create_access_key("new")

    between_the_facts_and_the_list(monkeypatch, create)

    report = scanner.full_scan([owned("alice", 200)]).report

    assert report["coverage"]["users_checked"] == 2
    assert report["coverage"]["users_facts_unknown"] == 0
    assert report["details_unknown"] == []


def test_a_user_who_is_not_described_and_has_an_older_key_is_unknown_and_leaves_the_report_incomplete(
    scanner: Scanner,
) -> None:
    hidden = owned("hidden", 10, denied={"ListUserTags": "AccessDenied: no"})

    result = scanner.full_scan([owned("alice", 10), hidden])

    report = result.report
    assert report["coverage"]["users_checked"] == 2
    assert report["coverage"]["users_facts_unknown"] == 1
    assert [user["user_name"] for user in report["details_unknown"]] == ["hidden"]
    assert "INCOMPLETE: tags or permissions of 1 user unknown" in result.mail[0]["Subject"]


def test_a_quarantined_user_is_told_of_though_no_key_is_old_and_the_list_has_lost_them(
    scanner: Scanner, monkeypatch: pytest.MonkeyPatch
) -> None:
    between_the_facts_and_the_list(monkeypatch, lambda iam: iam.users.pop("leaked"))

    result = scanner.full_scan([owned("alice", 10), owned("leaked", 10, policies=[QUARANTINE])])

    [user] = result.report["quarantined"]
    assert (user["user_name"], user["policy"], user["access_keys"]) == ("leaked", QUARANTINE, "unknown")
    assert result.mail[0]["Subject"].startswith("1 user quarantined")


def test_a_scan_of_named_users_asks_about_these_alone_and_what_is_denied_of_one_is_unknown(
    scanner: Scanner, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = [owned("alice", 10, policies=[QUARANTINE]), owned("bob", 200, policies=["AdministratorAccess"])]
    result = scanner.full_scan([*people, owned("carol", 200)], users=["alice", "bob"])

    assert {name: count for name, count in iam_calls(result).items() if "Account" not in name} == {
        "iam:GetAccessKeyLastUsed": 1,
        "iam:GetPolicy": 1,
        "iam:GetPolicyVersion": 1,
        "iam:GetUser": 2,
        "iam:ListAccessKeys": 2,
        "iam:ListAttachedUserPolicies": 2,
        "iam:ListGroupsForUser": 2,
        "iam:ListUserPolicies": 2,
        "iam:ListUserTags": 2,
    }
    assert "iam:GetAccountAuthorizationDetails" not in iam_calls(result)
    assert [user["user_name"] for user in result.report["quarantined"]] == ["alice"]
    [finding] = result.report["findings"]
    assert (finding["severity"], finding["administers_by"], finding["user_path"]) == (
        "high",
        "AdministratorAccess",
        "/",
    )

    run_before(monkeypatch, "list_attached_user_policies", deny)
    denied = scanner.full_scan([owned("alice", 10)], users=["alice"])

    assert denied.report["coverage"]["users_checked"] == 1
    assert denied.report["coverage"]["users_facts_unknown"] == 1
    assert "INCOMPLETE" in denied.mail[0]["Subject"]


@pytest.mark.parametrize("damage", [b"{", b"[]", b"{}", None], ids=["no JSON", "a list", "empty", "of another scan"])
def test_a_damaged_account_file_fails_the_report_and_never_makes_a_clean_one(
    scanner: Scanner, damage: bytes | None
) -> None:
    result = scanner.full_scan([owned("alice", 10)])
    s3, bucket = scanner.aws.client("s3"), scanner.aws.outputs()["ReportsBucket"]
    other = json.dumps({**json.loads(result.files["account.json"]), "scan_id": "other"}).encode()
    s3.put_object(
        Bucket=bucket, Key=f"scans/{result.scan_id}/account.json", Body=damage if damage is not None else other
    )
    scan = {
        "scan_id": result.scan_id,
        "execution_arn": "arn:aws:states:us-east-1:123456789012:execution:iam-key-age-local:any",
        "started_at": result.report["started_at"],
        "policy": result.report["policy"],
    }
    event = {"scan": scan, "account": {"read_at": f"now {damage!r}"}, "pages": 1}

    name = scanner.aws.function("BuildReport").function_name
    answer = scanner.aws.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event))

    assert "FunctionError" in answer
    assert json.loads(answer["Payload"].read())["errorType"] == "InvalidEvidenceError"
