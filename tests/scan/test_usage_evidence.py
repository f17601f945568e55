"""Usage evidence through a whole scan: who is asked, what is kept, and that no scan fails for it."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from localaws.accounts.account_file import Account
from localaws.faults import Faults, parse_faults
from localaws.scan_run import ScanResult
from tests.support.scanner import Scanner, invoke

Inject = Callable[..., None]
CALL = {"days_ago": 1, "name": "ListBuckets", "source": "s3.amazonaws.com", "address": "203.0.113.7"}
CALL["user_agent"] = "aws-cli/2.15.0 Python/3.11.6 Linux/5.10 exe/x86_64 prompt/off command/s3.ls"


@pytest.fixture(scope="module")
def on(scanner: Scanner) -> Iterator[Scanner]:
    """The local AWS with UsageEvidence on, by an update of its stack, which the end of the module takes back."""
    scanner.aws.deploy({"UsageEvidence": "on"})
    yield scanner
    scanner.aws.deploy({"UsageEvidence": "off"})


@pytest.fixture
def inject(scanner: Scanner) -> Iterator[Inject]:
    yield lambda **faults: scanner.aws.inject(parse_faults(json.dumps(faults)))
    scanner.aws.inject(Faults())


def person(name: str, *events: dict[str, Any], region: str = "eu-west-1", **key: Any) -> dict[str, Any]:
    """A user with an old key, used yesterday unless the key says else, and its events."""
    known = {"access_key_id": f"AKIA{name.upper().replace('-', ''):X<16}", "age_days": 200, "events": list(events)}
    return {
        "user_name": name,
        "access_keys": [{**known, "last_used": {"days_ago": 1, "region": region}, **key}],
    }


def seen(result: ScanResult) -> dict[str, tuple[str, str | None]]:
    """Return by user the status and the cause."""
    assert (result.status, result.error) == ("SUCCEEDED", None)
    findings = [*result.report["findings"], *result.report["exempt"]]
    return {one["user_name"]: (one["seen_from"]["status"], one["seen_from"]["cause"]) for one in findings}


def lookups(result: ScanResult) -> int:
    return int(result.stats["calls"].get("cloudtrail:LookupEvents", 0))


def test_off_by_default_there_is_no_function_and_no_call(scanner: Scanner) -> None:
    result = scanner.full_scan([person("alice", CALL)])

    assert result.report["findings"][0]["seen_from"] is None
    assert lookups(result) == 0
    assert "usage.json" not in result.files
    with pytest.raises(StopIteration):
        scanner.aws.function("LookUpUsage")


def test_who_uses_a_key_is_in_the_report_and_in_the_file_that_it_is_joined_from(on: Scanner) -> None:
    elsewhere = {**CALL, "days_ago": 0.5, "address": "198.51.100.4", "error": "AccessDenied", "name": "CreateUser"}
    result = on.full_scan([person("alice", {**CALL, "times": 60}, {**elsewhere, "times": 3})])

    [finding] = result.report["findings"]
    [(key_id, kept)] = json.loads(result.files["usage.json"])["keys"].items()
    assert (key_id, kept) == (finding["access_key_id"], finding["seen_from"])
    assert (kept["status"], kept["region"], kept["events"], kept["more"]) == ("seen", "eu-west-1", 50, True)
    assert kept["addresses"] == [{"value": "203.0.113.7", "events": 47}, {"value": "198.51.100.4", "events": 3}]
    assert kept["actions"] == [{"value": "s3:ListBuckets", "events": 47}, {"value": "s3:CreateUser", "events": 3}]
    assert kept["errors"] == [{"value": "AccessDenied", "events": 3}]
    assert [one["events"] for one in kept["user_agents"]] == [50]
    assert kept["first_at"] < kept["last_at"]
    assert lookups(result) == 1


def test_a_key_in_use_is_asked_about_once_in_the_region_of_its_last_use_and_no_other_key_is(on: Scanner) -> None:
    result = on.full_scan(
        [
            person("seen", CALL),
            person("elsewhere", {**CALL, "region": "us-east-1"}),
            person("dataonly", {**CALL, "name": "GetObject"}),
            person("long-ago", {**CALL, "days_ago": 90.1}),
            person("noregion", CALL, region="N/A"),
            person("unused", CALL, last_used={"days_ago": 91}),
            person("never", last_used=None),
            person("young", CALL, age_days=10),
            {
                **person("exempt", CALL),
                "tags": {"iam-key-age:exempt-until": "{date:+9}", "iam-key-age:exempt-reason": "x"},
            },
        ]
    )

    assert seen(result) == {
        "seen": ("seen", None),
        "elsewhere": ("nothing", None),
        "dataonly": ("nothing", None),
        "long-ago": ("nothing", None),
        "noregion": ("not_asked", "IAM does not say in which Region the key was used last"),
        "unused": ("not_asked", "the key was not used in the 90 days that CloudTrail keeps"),
        "never": ("not_asked", "IAM has no use of the key on record"),
        "exempt": ("not_asked", "the key is exempt"),
    }
    assert lookups(result) == 4


@pytest.mark.parametrize(
    ("faults", "calls", "says"),
    [
        ({"throttle": 1}, 2, ("seen", "None")),
        ({"throttle": -1}, 2, ("throttled", "Rate exceeded")),
        ({"deny": True}, 1, ("refused", "not authorized to perform: cloudtrail:LookupEvents")),
        ({"fail": -1}, 1, ("unknown", "InternalFailure")),
    ],
)
def test_throttled_refused_and_failed_lookups_are_told_apart(
    on: Scanner, inject: Inject, faults: dict[str, Any], calls: int, says: tuple[str, str]
) -> None:
    inject(cloudtrail=faults)

    result = on.full_scan([person("alice", CALL)])

    status, cause = seen(result)["alice"]
    assert status == says[0]
    assert says[1] in str(cause)
    assert lookups(result) == calls


def test_when_the_functions_time_is_over_it_keeps_what_it_has_and_beyond_200_nothing_is_asked(on: Scanner) -> None:
    function = on.aws.function("LookUpUsage")
    timeout, function.timeout = function.timeout, 21
    people = [person(f"user-{number:03}", CALL, age_days=300 - number) for number in range(202)]
    try:
        result = on.full_scan(people)
    finally:
        function.timeout = timeout

    found = seen(result)
    asked = [name for name, (status, _) in found.items() if status == "seen"]
    assert 0 < len(asked) == lookups(result) < 10
    assert asked == [f"user-{number:03}" for number in range(len(asked))]  # the oldest
    beyond = ("not_asked", "a scan asks about 200 keys at most, the most severe first")
    assert {name for name, of in found.items() if of == beyond} == {"user-200", "user-201"}
    assert list(found.values()).count(("not_asked", "the time for asking was over")) == 200 - len(asked)


def test_a_scan_succeeds_although_the_function_fails_and_says_so(on: Scanner, inject: Inject) -> None:
    inject(**{"lambda": {"look_up_usage": {"fail": -1}}})

    result = on.full_scan([person("alice", CALL), person("bob", last_used=None)])

    assert seen(result) == {
        "alice": ("unknown", "look_up_usage failed: Lambda.ServiceException"),
        "bob": ("not_asked", "IAM has no use of the key on record"),
    }
    assert (lookups(result), len(result.mail)) == (0, 1)
    assert "usage.json" not in result.files


def test_a_function_that_fails_once_is_called_again(on: Scanner, inject: Inject) -> None:
    inject(**{"lambda": {"look_up_usage": {"fail": 1}}})

    assert seen(on.full_scan([person("alice", CALL)])) == {"alice": ("seen", None)}


def test_the_function_answers_with_counts_alone(on: Scanner) -> None:
    result = on.full_scan([person("alice", CALL), person("bob"), person("carol")])
    report = result.report
    scan = {"scan_id": report["scan_id"], "started_at": report["started_at"]}

    assert invoke(on, "LookUpUsage", {"scan": scan, "pages": 1}) == {"seen": 1, "nothing": 2}
    assert "203.0.113.7" not in on.aws.log_tail(1000)


def test_an_account_without_a_key_to_ask_about_keeps_an_empty_file(on: Scanner) -> None:
    result = on.full_scan([person("alice", CALL, age_days=10)])

    assert result.report["findings"] == []
    assert json.loads(result.files["usage.json"])["keys"] == {}
    assert lookups(result) == 0


def test_odd_texts_of_events_come_short_and_on_one_line_into_the_report(on: Scanner) -> None:
    odd = {**CALL, "user_agent": "[" + "x" * 500, "address": "AWS Internal", "error": "Client.Odd\u2028\u202eError"}

    result = on.full_scan([person("alice", odd)])

    [finding] = result.report["findings"]
    shown = [one["value"] for value in finding["seen_from"].values() if isinstance(value, list) for one in value]
    assert all(text.isprintable() and len(text) <= 80 for text in shown)
    assert finding["seen_from"]["addresses"] == [{"value": "AWS Internal", "events": 1}]


def test_the_account_of_the_fixture_is_one_that_the_file_takes() -> None:
    assert Account.model_validate({"users": [person("alice", CALL)]}).users[0].access_keys[0].events[0].times == 1
