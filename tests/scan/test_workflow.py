"""The real definition, executed: packaged, deployed and run as it ships, on accounts of every shape."""

import json

import pytest
from moto.iam.responses import IamResponse

from chalicelib.instants import parse_instant
from chalicelib.scan_ids import scheduled_id
from localaws.accounts.account_file import DEMO_ACCOUNT, load_account
from tests.support.iam_errors import Denied, Interference, Throttled
from tests.support.scanner import FRESH, IN_TIME, OLD, Scanner, aged, execute, invoke, keep_as_latest, user, users


def test_an_account_without_users_ends_in_a_clean_report_and_no_message(scanner: Scanner) -> None:
    result = scanner.scan([], max_age_days=92)  # a policy of its own: names of one policy in a minute are counted

    assert result.status == "SUCCEEDED"
    assert result.report is not None
    assert result.report["coverage"]["users_listed"] == 0
    assert result.messages == []
    assert result.stats["calls"].pop("states:ListExecutions") in (1, 2)  # twice in the first seconds of a minute
    assert result.stats["calls"] == {
        "iam:GetAccountAuthorizationDetails": 1,
        "iam:ListAccountAliases": 1,
        "iam:ListUsers": 1,
        "lambda:InvokeFunction": 4,
        "s3:GetObject": 3,  # the page, and the account for two functions
        "s3:PutObject": 5,
        "states:StartExecution": 1,
    }


def test_a_full_scan_tells_the_topic_and_by_default_nobody_else(scanner: Scanner) -> None:
    keep_as_latest(scanner, None)

    result = scanner.full_scan([aged("alice", 100)])

    assert result.error is None
    for name in ("states:ListExecutions", "states:StartExecution"):  # more, after other scans of this minute
        assert result.stats["calls"].pop(name) >= 1
    assert result.stats["calls"] == {
        "iam:GetAccessKeyLastUsed": 1,
        "iam:GetAccountAuthorizationDetails": 1,
        "iam:GetAccountSummary": 1,
        "iam:ListAccessKeys": 1,
        "iam:ListAccountAliases": 1,
        "iam:ListUsers": 1,
        "lambda:InvokeFunction": 4,
        "s3:GetObject": 4,
        "s3:PutObject": 6,
        "sns:Publish": 1,
    }
    assert sorted(result.files) == [
        "account.json",
        "pages/0001.json",
        "report.csv",
        "report.html",
        "report.json",
    ]


def test_one_user_with_one_key_is_checked(scanner: Scanner) -> None:
    report = scanner.report([user("alice", OLD)])

    assert report["coverage"]["users_checked"] == 1
    assert [finding["user_name"] for finding in report["findings"]] == ["alice"]


def test_a_key_is_expired_one_second_after_ninety_days_and_not_at_ninety_days(scanner: Scanner) -> None:
    report = scanner.report([user("late", OLD), user("in-time", IN_TIME)], warn_days=0)

    assert [finding["user_name"] for finding in report["findings"]] == ["late"]
    assert report["totals"] == {"expired": 1, "due_soon": 0, "ok": 1, "unused": 0, "exempt": 0}


@pytest.mark.parametrize(("count", "pages"), [(99, 1), (100, 1), (101, 2), (250, 3)])
def test_every_user_on_every_page_is_checked_once(scanner: Scanner, count: int, pages: int) -> None:
    result = scanner.scan(users(count, OLD))

    assert result.report is not None
    assert result.report["coverage"]["users_checked"] == count
    assert {finding["user_name"] for finding in result.report["findings"]} == {
        f"user-{number:04}" for number in range(count)
    }
    assert result.stats["calls"]["iam:ListUsers"] == pages
    assert result.stats["calls"]["iam:ListAccessKeys"] == count
    assert [name for name in result.files if name.startswith("pages/")] == [
        f"pages/{number:04}.json" for number in range(1, pages + 1)
    ]
    assert len(result.messages) == 1


def test_users_with_no_two_and_very_many_keys_are_all_checked(scanner: Scanner) -> None:
    report = scanner.report([user("none"), user("two", OLD, FRESH), user("many", *[OLD] * 101)])

    assert report["coverage"]["users_checked"] == 3
    assert report["totals"] == {"expired": 102, "due_soon": 0, "ok": 1, "unused": 0, "exempt": 0}


@pytest.mark.parametrize(("include", "expired", "skipped"), [(False, 0, 1), (True, 1, 0)])
def test_inactive_keys_are_evaluated_only_if_the_policy_includes_them(
    scanner: Scanner, include: bool, expired: int, skipped: int
) -> None:
    bob = {"user_name": "bob", "access_keys": [{"created_at": OLD, "status": "Inactive"}]}

    report = scanner.report([bob], include_inactive=include)

    assert report["totals"]["expired"] == expired
    assert report["coverage"]["keys_inactive_skipped"] == skipped


def test_a_user_deleted_after_being_listed_is_not_found(scanner: Scanner, interference: Interference) -> None:
    def delete_carol(response: IamResponse, name: str, _time: int) -> None:
        if name == "carol":
            response.backend.users.pop("carol", None)

    interference.before(delete_carol)

    report = scanner.report([user("alice", OLD), user("carol", OLD)])

    assert report["not_found"] == ["carol"]
    assert report["coverage"]["users_not_found"] == 1
    assert report["totals"]["expired"] == 1
    assert interference.asked["carol"] == 1


def test_throttled_calls_are_tried_again_until_every_user_is_checked(
    scanner: Scanner, interference: Interference
) -> None:
    def throttle_twice(_response: IamResponse, name: str, time: int) -> None:
        if int(name[-1]) % 2 and time <= 2:
            raise Throttled

    interference.before(throttle_twice)

    result = scanner.scan(users(10, OLD))

    assert result.report is not None
    assert result.report["coverage"]["users_checked"] == 10
    assert sum(interference.asked.values()) == 20
    assert result.stats["throttled"] == 10


def test_a_user_whose_keys_iam_denies_is_unchecked_and_the_subject_says_so(
    scanner: Scanner, interference: Interference
) -> None:
    def deny_bob(_response: IamResponse, name: str, _time: int) -> None:
        if name == "bob":
            raise Denied

    interference.before(deny_bob)

    result = scanner.scan([user("alice"), user("bob", OLD)])

    assert result.status == "SUCCEEDED"
    assert result.report is not None
    assert result.report["coverage"]["users_unchecked"] == 1
    [unchecked] = result.report["unchecked"]
    assert unchecked["user_name"] == "bob"
    assert "not authorized" in unchecked["cause"]
    assert "INCOMPLETE: 1 of 2 users unchecked" in result.messages[0]["Subject"]
    assert interference.asked["bob"] == 1


def test_a_user_whose_calls_are_throttled_nine_times_is_unchecked(
    scanner: Scanner, interference: Interference, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("random.random", lambda: 0.0)  # the shortest waits

    def throttle(_response: IamResponse, _name: str, _time: int) -> None:
        raise Throttled

    interference.before(throttle)

    report = scanner.report([user("alice", OLD)])

    assert report["unchecked"][0]["user_name"] == "alice"
    assert "Rate exceeded" in report["unchecked"][0]["cause"]
    assert interference.asked["alice"] == 9


def test_only_the_named_users_are_checked(scanner: Scanner) -> None:
    result = scanner.scan([user("alice", OLD), user("bob", OLD), user("carol", OLD)], users=["carol"])

    assert result.report is not None
    assert [finding["user_name"] for finding in result.report["findings"]] == ["carol"]
    assert result.report["coverage"]["users_listed"] == 1
    assert "iam:ListUsers" not in result.stats["calls"]
    assert result.stats["calls"]["iam:ListAccessKeys"] == 1


def test_a_named_user_whom_iam_does_not_know_is_not_found(scanner: Scanner) -> None:
    report = scanner.report([user("alice", OLD)], users=["ghost", "alice"])

    assert report["not_found"] == ["ghost"]
    assert report["coverage"] == {
        "users_listed": 2,
        "users_checked": 1,
        "users_not_found": 1,
        "users_unchecked": 0,
        "keys_judged": 1,
        "keys_inactive_skipped": 0,
        "keys_not_yet_created": 0,
        "detail_calls": 1,
        "keys_last_use_unknown": 0,
        "users_facts_unknown": 0,
    }


def test_a_hundred_named_users_are_one_page(scanner: Scanner) -> None:
    report = scanner.report(users(120, FRESH), users=[f"user-{number:04}" for number in range(20, 120)])

    assert report["coverage"]["users_checked"] == 100


@pytest.mark.parametrize(
    ("as_of", "expired", "age_days"),
    [("2020-01-01T00:00:00Z", 0, None), ("2026-11-22T08:00:00Z", 0, None), ("2027-06-01T00:00:00+02:00", 1, 211)],
)
def test_a_scan_evaluates_keys_as_of_the_instant_in_its_policy(
    scanner: Scanner, as_of: str, expired: int, age_days: int | None
) -> None:
    report = scanner.report([user("alice", FRESH)], as_of=as_of)

    assert report["totals"]["expired"] == expired
    assert [finding["age_days"] for finding in report["findings"]] == ([age_days] if age_days else [])
    assert report["as_of"] == ("2027-05-31T22:00:00Z" if "+" in as_of else as_of)


def test_the_demo_account_is_scanned_whole(scanner: Scanner) -> None:
    scanner.aws.seed(load_account(DEMO_ACCOUNT))

    report = scanner.aws.scan('{"as_of": "2026-11-22T08:00:00Z"}').report

    assert report["coverage"]["users_checked"] == 250
    pubudu = [finding for finding in report["findings"] if finding["user_name"] == "pubudu"]
    assert [finding["created_at"] for finding in pubudu] == ["2021-11-27T20:15:43Z"]


def test_an_execution_by_hand_with_an_empty_input_scans_by_the_stages_policy(scanner: Scanner) -> None:
    scanner.seed([])

    execution = execute(scanner, {})

    assert execution["status"] == "SUCCEEDED"
    files = scanner.aws.files(execution["name"])
    assert json.loads(files["report.json"])["policy"] == {
        "max_age_days": 90,
        "warn_days": 14,
        "include_inactive": False,
    }


@pytest.mark.parametrize(
    "policy",
    [{"max_age": 90}, {"max_age_days": 0}, {"users": []}, {"users": "alice"}, {"users": None}, {"as_of": "soon"}, [1]],
    ids=str,
)
def test_an_execution_by_hand_with_a_bad_policy_fails_and_leaves_no_report(scanner: Scanner, policy: object) -> None:
    scanner.seed([])

    execution = execute(scanner, policy)

    assert execution["status"] == "FAILED"
    assert "report.json" not in scanner.aws.files(execution["name"])


def test_a_schedule_event_delivered_twice_starts_one_scan(scanner: Scanner) -> None:
    scanner.seed([])
    event = {
        "id": "e1",
        "account": "123456789012",
        "region": "us-east-1",
        "time": "2026-11-22T08:00:00Z",
        "source": "aws.events",
        "detail-type": "Scheduled Event",
        "detail": {},
        "resources": [],
        "version": "0",
    }

    answers = [invoke(scanner, "ScheduledScan", event) for _ in range(2)]

    scan_id = scheduled_id(parse_instant("2026-11-22T08:00:00Z"), "e1")
    assert answers == [{"scan_id": scan_id}] * 2
    states = scanner.aws.client("stepfunctions")
    executions = states.list_executions(stateMachineArn=scanner.aws.outputs()["StateMachineArn"])["executions"]
    assert [execution["name"] for execution in executions].count(scan_id) == 1


def test_functions_invoked_again_give_the_same_files(scanner: Scanner) -> None:
    result = scanner.scan([user("alice", OLD), user("bob", FRESH)])
    assert result.report is not None
    scan = {
        "scan_id": result.scan_id,
        "execution_arn": "arn:aws:states:us-east-1:123456789012:execution:iam-key-age-local:any",
        "started_at": result.report["started_at"],
        "policy": result.report["policy"],
    }
    page = json.loads(result.files["pages/0001.json"])
    outcomes = [{"user_name": user["user_name"], "outcome": "checked", "keys": user["keys"]} for user in page["users"]]
    outcomes[0]["details"] = {"last_used": [{}], "cause": ""}
    account = {"read_at": json.loads(result.files["account.json"])["read_at"]}
    of_scan = {"scan": scan, "account": account}
    listed = {**of_scan, "page": 1, "users_before": 0, "listed": ["alice", "bob"], "outcomes": outcomes}

    counts = [invoke(scanner, "ValidateKeys", listed) for _ in range(2)]
    built = [invoke(scanner, "BuildReport", {**of_scan, "pages": 1}) for _ in range(2)]

    assert set(result.files) == {"account.json", "pages/0001.json", "report.json", "report.csv", "report.html"}
    assert scanner.aws.files(result.scan_id) == result.files
    assert counts[0] == counts[1]
    assert counts[0]["expired"] == 1
    assert built[0] == built[1]


def test_a_report_of_a_scan_with_a_page_missing_is_not_built(scanner: Scanner) -> None:
    result = scanner.scan([user("alice", OLD)])
    name = scanner.aws.function("BuildReport").function_name
    read_at = json.loads(result.files["account.json"])["read_at"]
    arn = "arn:aws:states:us-east-1:123456789012:execution:iam-key-age-local:any"
    scan = {"scan_id": result.scan_id, "execution_arn": arn}
    event = {"scan": scan, "account": {"read_at": read_at}, "pages": 2}

    answer = scanner.aws.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event))

    assert "FunctionError" in answer
    assert json.loads(answer["Payload"].read())["errorType"] == "InvalidEvidenceError"
