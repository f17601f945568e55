"""The cost model of the benchmarks: dollars from counts."""

import pytest

from bench.cost import (
    Counts,
    Durations,
    OrganizationCounts,
    Prices,
    price,
    price_of_other_designs,
    price_organization,
    read_counts,
    read_organization_counts,
)

COUNTS = Counts(
    users=5_000,
    transitions=209,
    children=250,
    iam_calls_in_children=5_000,
    pages=50,
    invocations=53,
    s3_puts=54,
    s3_gets=51,
    publishes=1,
    account_pages=25,
)
FREE = dict.fromkeys(Prices.__dataclass_fields__, 0.0)


def test_children_cost_their_start_their_request_and_their_memory_by_time() -> None:
    dollars = price(COUNTS, durations=Durations(iam_call=0.1))

    # 250 starts and requests; 5,000 calls of 0.1 s, and half a step of 0.1 s a child, at 64 MB
    assert dollars["children"] == pytest.approx(250 * 26e-6 + (500 + 12.5) / 16 * 0.00001667)


@pytest.mark.parametrize(
    ("priced", "part", "dollars"),
    [
        ("state_transition", "parent", 209),
        ("state_transition", "children", 250),
        ("express_request", "children", 250),
        ("lambda_request", "lambda", 53),
        ("lambda_gb_second", "lambda", (0.7 + 50 * 0.6 + 10) / 4 + (1.2 + 25) / 2),
        ("s3_put", "s3", 54),
        ("s3_get", "s3", 51),
        ("sns_publish", "sns", 2),
        ("sns_email", "sns", 1),
    ],
)
def test_each_price_is_paid_for_what_it_is_of(priced: str, part: str, dollars: float) -> None:
    assert price(COUNTS, Prices(**{**FREE, priced: 1.0}))[part] == pytest.approx(dollars)


def test_the_total_is_the_sum_of_the_parts() -> None:
    dollars = price(COUNTS)

    assert dollars.pop("total") == pytest.approx(sum(dollars.values()))


def test_one_child_a_user_costs_a_start_for_each_user() -> None:
    only_transitions = Prices(**{**FREE, "state_transition": 1.0})

    assert price_of_other_designs(COUNTS, only_transitions) == {
        "one STANDARD child per user": 209 + 3 * 5_000,
        "one EXPRESS child per user": 209 + 5_000,
    }


def test_counts_are_read_from_what_a_scan_counted() -> None:
    stats = {
        "calls": {
            "iam:GetAccessKeyLastUsed": 3,
            "iam:GetAccountAuthorizationDetails": 2,
            "iam:GetAccountSummary": 1,
            "iam:ListAccessKeys": 10,
            "iam:ListAccountAliases": 1,
            "iam:ListUsers": 1,
            "lambda:InvokeFunction": 3,
            "s3:GetObject": 2,
            "s3:PutObject": 5,
        },
        "child_executions": 1,
        "state_transitions": 13,
    }

    counts = read_counts(stats, users=10)

    assert counts == Counts(10, 12, 1, 13, 1, 4, 5, 2, 0, 2)


OF_ORGANIZATION = OrganizationCounts(
    accounts=1_000,
    transitions=2_010,
    calls_for_users=60_000,
    calls_for_accounts=4_000,
    invocations=1_003,
    s3_puts=5_000,
    s3_gets=2_000,
    publishes=1,
)


@pytest.mark.parametrize(
    ("priced", "part", "dollars"),
    [
        ("state_transition", "state machine", 2_010),
        ("lambda_request", "lambda", 1_003),
        # 1,000 sessions and reports of 1.6 s, 19,000 waits of 0.15 s, and the report; listing in a quarter of a GB
        ("lambda_gb_second", "lambda", 1_600 + 19_000 * 0.15 + 50 + 10 + 3 / 4),
        ("s3_put", "s3", 5_000),
        ("s3_get", "s3", 2_000),
        ("sns_publish", "sns", 2),
        ("sns_email", "sns", 1),
    ],
)
def test_each_price_of_an_organization_is_paid_for_what_it_is_the_price_of(
    priced: str, part: str, dollars: float
) -> None:
    costs = price_organization(OF_ORGANIZATION, Prices(**{**FREE, priced: 1.0}))

    assert costs[part] == pytest.approx(dollars)
    assert costs["total"] == pytest.approx(dollars)


def test_the_counts_of_an_organization_are_those_of_the_stats() -> None:
    calls = {
        "iam:ListUsers": 3,
        "iam:GetAccountSummary": 2,
        "iam:ListAccessKeys": 10,
        "iam:GetAccessKeyLastUsed": 5,
        "lambda:InvokeFunction": 5,
        "s3:PutObject": 9,
        "s3:GetObject": 4,
    }

    counts = read_organization_counts({"calls": calls, "state_transitions": 16}, accounts=2)

    assert counts == OrganizationCounts(2, 16, 15, 5, 6, 9, 4, 0)
