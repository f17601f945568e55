"""The function that scans an account of an organization finds of each user what the state machine finds."""

import json
from collections import Counter
from typing import Any

import pytest
from botocore.config import Config
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult
from moto.iam.exceptions import NotFoundException
from moto.iam.responses import IamResponse

from chalicelib.aws.asking import PatientAsking
from chalicelib.aws.iam import Outcome, read_user
from chalicelib.documents import Page, UserEvidence
from chalicelib.evaluation.page import ScanContext, evaluate_page
from chalicelib.instants import parse_instant
from chalicelib.policy import ScanPolicy, describe_details_cutoff, parse_policy
from localaws.clients import HARNESS, REGION, make_client
from tests.support.iam_errors import Denied, Throttled
from tests.support.scanner import FRESH, IN_TIME, OLD, Scanner, user

N_A = {"ServiceName": "N/A", "Region": "N/A"}
USED = {"LastUsedDate": "2026-11-20T00:00:00Z", "ServiceName": "s3", "Region": "eu-west-1"}


class Failed(ServiceException):
    code = "ServiceFailure"
    message = "not today"


def listed(*keys: dict[str, str], **more: Any) -> dict[str, Any]:
    key = {"AccessKeyId": "AKIALISTED0000000000", "Status": "Active", "CreateDate": OLD}
    return {"AccessKeyMetadata": [{**key, **one} for one in keys], "IsTruncated": False, **more}


def without(field: str) -> dict[str, Any]:
    answer = listed({})
    del answer["AccessKeyMetadata"][0][field]
    return answer


# What IAM answers about each user, one call after the other, and the last one from then on; None: what it has of them.
KEYS: dict[str, list[Any]] = {
    "old": [None],
    "in-time": [None],
    "fresh": [None],
    "inactive": [None],
    "two": [None],
    "none": [None],
    "very-many": [None],
    "gone": [NotFoundException("gone")],
    "denied": [Denied()],
    "throttled-for-a-while": [*[Throttled()] * 8, None],
    "throttled-for-good": [Throttled()],
    "failing-once": [Failed(), None],
    "failing": [Failed()],
    "expired-status": [listed({"Status": "Expired"})],
    "lower-case-status": [listed({"Status": "active"})],
    "second-page-denied": [listed({}, IsTruncated=True, Marker="1"), Denied()],
    "second-page": [listed({}, IsTruncated=True, Marker="1"), listed({"AccessKeyId": "AKIALISTED0000000001"})],
    "empty-page": [listed(IsTruncated=True, Marker="1"), listed({})],
    "truncated-is-not-said": [{"AccessKeyMetadata": []}],
    "no-id": [without("AccessKeyId")],
    "no-status": [without("Status")],
    "no-date": [without("CreateDate")],
}
LAST_USES: dict[str, list[Any]] = {
    "used": [USED],
    "never-used": [N_A],
    "used-as-the-account-has-it": [None],
    "nothing-said": [{}],
    "no-date": [{"ServiceName": "s3", "Region": "eu-west-1"}],
    "no-region": [{"ServiceName": "N/A"}],
    "a-region": [{"ServiceName": "N/A", "Region": "us-east-1"}],
    "date-alone": [{"LastUsedDate": USED["LastUsedDate"]}],
    "empty-service": [{**USED, "ServiceName": ""}],
    "denied": [Denied()],
    "throttled": [Throttled(), Throttled(), USED],
    "failing": [Failed()],
    "gone": [NotFoundException("gone")],
}


def account_users() -> list[dict[str, Any]]:
    created = {"in-time": [IN_TIME], "fresh": [FRESH], "two": [OLD, FRESH], "none": [], "very-many": [OLD] * 101}
    inactive = {"user_name": "inactive", "access_keys": [{"created_at": OLD, "status": "Inactive"}]}
    of_keys = [user(f"keys-{name}", *created.get(name, [OLD])) for name in KEYS if name != "inactive"]
    of_last_uses = [
        {
            "user_name": f"used-{name}",
            "access_keys": [
                {"created_at": OLD, "access_key_id": f"AKIAUSED{index:012}", "last_used": {"days_ago": 3}},
                {"created_at": OLD, "access_key_id": f"AKIAOTHER{index:011}"},
            ],
        }
        for index, name in enumerate(LAST_USES)
    ]
    return [*of_keys, {**inactive, "user_name": "keys-inactive"}, *of_last_uses]


class Answers:
    """Answers IAM's calls by the tables; `begin` starts them anew."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: Counter[str] = Counter()
        self._replace(monkeypatch, "list_access_keys", "UserName")
        self._replace(monkeypatch, "get_access_key_last_used", "AccessKeyId")

    def begin(self) -> None:
        self.asked.clear()

    def _replace(self, monkeypatch: pytest.MonkeyPatch, operation: str, parameter: str) -> None:
        answer = getattr(IamResponse, operation)

        def step(response: IamResponse) -> Any:
            about = response._get_param(parameter)
            answers = self._of(about)
            self.asked[about] += 1
            given = answers[min(self.asked[about], len(answers)) - 1]
            if isinstance(given, Exception):
                raise given
            if given is None:
                return answer(response)
            return ActionResult(given if parameter == "UserName" else {"AccessKeyLastUsed": given})

        monkeypatch.setattr(IamResponse, operation, step)

    def _of(self, about: str) -> list[Any]:
        if about.startswith("keys-"):
            return KEYS[about.removeprefix("keys-")]
        return list(LAST_USES.values())[int(about[8:])] if about.startswith("AKIAUSED") else [None]


def plain(user_evidence: UserEvidence) -> dict[str, Any]:
    """A user's evidence without the words of causes, which are the SDK's."""
    evidence: dict[str, Any] = json.loads(json.dumps(user_evidence))
    for part in (evidence, evidence.get("details", {})):
        if part.get("cause"):
            part["cause"] = "some"
    return evidence


@pytest.mark.parametrize("policy", [{}, {"include_inactive": True, "max_unused_days": 45}], ids=str)
def test_both_ways_find_the_same_of_each_user(
    scanner: Scanner, monkeypatch: pytest.MonkeyPatch, policy: dict[str, Any]
) -> None:
    monkeypatch.setattr("random.random", lambda: 0.0)  # the state machine does not wait
    answers = Answers(monkeypatch)

    result = scanner.scan(account_users(), **policy)

    assert result.report is not None
    by_state_machine = load(scanner, result.report["scan_id"], "pages/0001.json")
    context = context_of(scanner, by_state_machine)
    cutoff = describe_details_cutoff(context.policy, context.as_of)
    names = [one["user_name"] for one in by_state_machine["users"]]
    once = Config(retries={"mode": "standard", "total_max_attempts": 1})
    iam = make_client("iam", REGION, scanner.aws.endpoint_url, HARNESS, once)
    answers.begin()
    asking = PatientAsking(lambda: False, wait=lambda _seconds: None)
    outcomes: list[Outcome] = [read_user(iam, asking, name, cutoff) for name in names]
    by_function = evaluate_page(context, 1, names, outcomes)

    assert len(names) == len(KEYS) + len(LAST_USES)
    for ours, theirs in zip(by_function["users"], by_state_machine["users"], strict=True):
        assert plain(ours) == plain(theirs)
    for part in ("coverage", "totals", "findings", "exempt"):
        assert by_function[part] == by_state_machine[part]


def context_of(scanner: Scanner, page: Page) -> ScanContext:
    return ScanContext(
        scan_id=page["scan_id"],
        account_id=page["account_id"],
        as_of=parse_instant(page["as_of"]),
        policy=parse_policy(page["policy"], ScanPolicy()),
        account=load(scanner, page["scan_id"], "account.json"),
        started_at=parse_instant(page["started_at"]),
    )


def load(scanner: Scanner, scan_id: str, name: str) -> Any:
    place = {"Bucket": scanner.aws.outputs()["ReportsBucket"], "Key": f"scans/{scan_id}/{name}"}
    return json.loads(scanner.aws.client("s3").get_object(**place)["Body"].read())
