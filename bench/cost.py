"""What a scan costs on AWS, from what it did. Pure: counts and prices in, dollars out.

`python -m bench.growth` prices what its runs counted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PRICED_ON = "2026-11-23"  # us-east-1, first tiers, no free tier


@dataclass(frozen=True)
class Prices:
    """US dollars in us-east-1.

    https://aws.amazon.com/step-functions/pricing/ https://aws.amazon.com/lambda/pricing/
    https://aws.amazon.com/s3/pricing/ https://aws.amazon.com/sns/pricing/
    """

    state_transition: float = 25e-6
    express_request: float = 1e-6
    express_gb_second: float = 0.00001667
    lambda_request: float = 0.2e-6
    lambda_gb_second: float = 0.0000166667
    s3_put: float = 5e-6
    s3_get: float = 0.4e-6
    sns_publish: float = 0.5e-6
    sns_email: float = 20e-6  # a subscriber's mail, 2 dollars per 100,000


@dataclass(frozen=True)
class Durations:
    """How long things take on AWS, as far as the local run cannot tell; seconds. Stated, not measured."""

    iam_call: float = 0.15  # with its states in an EXPRESS child
    read_policy: float = 0.7  # a cold start
    read_account: float = 1.2  # a cold start, and two short calls
    describe_200_users: float = 1.0
    validate_keys: float = 0.6
    build_report: float = 10.0
    # Of an organization, whose accounts are each read by one call of a function, four users at a time.
    function_iam_call: float = 0.15
    open_session: float = 0.8  # two calls of STS and three clients, in a warm function
    write_report: float = 0.8  # joining and rendering a small account, and five writes to S3
    list_accounts: float = 3.0  # a cold start, and pages of 20
    join_an_account: float = 0.05  # reading and adding its report


@dataclass(frozen=True)
class Counts:
    """What one scan did, as `--stats` counts it."""

    users: int
    transitions: int  # of the parent, children's starts not among them
    children: int
    iam_calls_in_children: int
    pages: int
    invocations: int
    s3_puts: int
    s3_gets: int
    publishes: int
    account_pages: int  # of GetAccountAuthorizationDetails


@dataclass(frozen=True)
class OrganizationCounts:
    """What one scan of an organization did, as `--stats` counts it."""

    accounts: int  # that were scanned
    transitions: int  # children's starts and states among them
    calls_for_users: int  # of IAM, four at a time
    calls_for_accounts: int  # of IAM, one after the other
    invocations: int
    s3_puts: int
    s3_gets: int
    publishes: int


LAMBDA_GB, READ_ACCOUNT_GB, SCAN_ACCOUNT_GB = 0.25, 0.5, 1.0
_USERS_AT_A_TIME = 4
_BILLED_A_MESSAGE = 2  # of 64 KB; a message has up to 98
_EXPRESS_GB = 64 / 1024  # the smallest step of memory that is billed
_EXPRESS_STEP = 0.1  # seconds, rounded up
_STATES_OF_A_STANDARD_CHILD = 2  # the least: ask, and say


def read_counts(stats: Mapping[str, Any], users: int) -> Counts:
    """Take the counts out of what `--stats` wrote."""
    calls, children = stats["calls"], stats["child_executions"]
    asked = ("iam:ListAccessKeys", "iam:GetAccessKeyLastUsed")
    return Counts(
        users=users,
        transitions=stats["state_transitions"] - children,
        children=children,
        iam_calls_in_children=sum(calls.get(call, 0) for call in asked),
        pages=calls["iam:ListUsers"],
        invocations=calls["lambda:InvokeFunction"] + 1,  # of the one that started the scan, too
        s3_puts=calls["s3:PutObject"],
        s3_gets=calls["s3:GetObject"],
        publishes=calls.get("sns:Publish", 0),
        account_pages=calls.get("iam:GetAccountAuthorizationDetails", 0),
    )


def price(counts: Counts, prices: Prices | None = None, durations: Durations | None = None) -> dict[str, float]:
    """Return dollars by service, and in all, for a scan whose children are EXPRESS, each of up to 20 users."""
    prices, durations = prices or Prices(), durations or Durations()
    children = _express(counts.children, counts.iam_calls_in_children * durations.iam_call, prices)
    return _with_total(
        {
            "parent": counts.transitions * prices.state_transition,
            "children": children,
            **_rest(counts, prices, durations),
        }
    )


def price_of_other_designs(
    counts: Counts, prices: Prices | None = None, durations: Durations | None = None
) -> dict[str, float]:
    """Return what the same scan costs with one child a user, STANDARD or EXPRESS, in all."""
    prices, durations = prices or Prices(), durations or Durations()
    parent = counts.transitions * prices.state_transition
    rest = sum(_rest(counts, prices, durations).values())
    standard = counts.users * (1 + _STATES_OF_A_STANDARD_CHILD) * prices.state_transition
    express = _express(counts.users, counts.iam_calls_in_children * durations.iam_call, prices)
    return {
        "one STANDARD child per user": parent + rest + standard,
        "one EXPRESS child per user": parent + rest + express,
    }


def read_organization_counts(stats: Mapping[str, Any], accounts: int) -> OrganizationCounts:
    """Take the counts of an organization's scan out of what `--stats` wrote; `accounts` were scanned."""
    calls = stats["calls"]
    for_users = sum(calls.get(call, 0) for call in ("iam:ListAccessKeys", "iam:GetAccessKeyLastUsed"))
    return OrganizationCounts(
        accounts=accounts,
        transitions=stats["state_transitions"],
        calls_for_users=for_users,
        calls_for_accounts=sum(count for call, count in calls.items() if call.startswith("iam:")) - for_users,
        invocations=calls["lambda:InvokeFunction"] + 1,  # of the one that started the scan, too
        s3_puts=calls["s3:PutObject"],
        s3_gets=calls["s3:GetObject"],
        publishes=calls.get("sns:Publish", 0),
    )


def price_organization(
    counts: OrganizationCounts, prices: Prices | None = None, durations: Durations | None = None
) -> dict[str, float]:
    """Return dollars by service, and in all, for a scan of an organization."""
    prices, durations = prices or Prices(), durations or Durations()
    one_by_one = counts.calls_for_accounts + counts.calls_for_users / _USERS_AT_A_TIME
    reading = counts.accounts * (durations.open_session + durations.write_report)
    reading += one_by_one * durations.function_iam_call
    joining = counts.accounts * durations.join_an_account + durations.build_report
    gb_seconds = (reading + joining) * SCAN_ACCOUNT_GB + durations.list_accounts * LAMBDA_GB
    return _with_total(
        {
            "state machine": counts.transitions * prices.state_transition,
            "lambda": counts.invocations * prices.lambda_request + gb_seconds * prices.lambda_gb_second,
            "s3": counts.s3_puts * prices.s3_put + counts.s3_gets * prices.s3_get,
            "sns": counts.publishes * (_BILLED_A_MESSAGE * prices.sns_publish + prices.sns_email),
        }
    )


def _express(children: int, seconds: float, prices: Prices) -> float:
    """Price EXPRESS children: a transition for each start, a request, and memory by time, half a step lost a child."""
    billed = seconds + children * _EXPRESS_STEP / 2
    start = prices.state_transition + prices.express_request
    return children * start + billed * _EXPRESS_GB * prices.express_gb_second


def _rest(counts: Counts, prices: Prices, durations: Durations) -> dict[str, float]:
    seconds = durations.read_policy + counts.pages * durations.validate_keys + durations.build_report
    reading = durations.read_account + counts.account_pages * durations.describe_200_users
    gb_seconds = seconds * LAMBDA_GB + reading * READ_ACCOUNT_GB
    return {
        "lambda": counts.invocations * prices.lambda_request + gb_seconds * prices.lambda_gb_second,
        "s3": counts.s3_puts * prices.s3_put + counts.s3_gets * prices.s3_get,
        "sns": counts.publishes * (_BILLED_A_MESSAGE * prices.sns_publish + prices.sns_email),
    }


def _with_total(dollars: dict[str, float]) -> dict[str, float]:
    return {**dollars, "total": sum(dollars.values())}
