"""The message about an organization: who is told what, in every size. The whole texts are in tests/golden."""

import functools
import json
from pathlib import Path
from typing import Any

import pytest

from chalicelib.documents import Report
from chalicelib.organization_documents import ListedAccount, OrganizationReport
from chalicelib.outputs.metrics import metrics_line
from chalicelib.outputs.organization_text import MAX_BYTES, compose_organization_message
from chalicelib.outputs.sns import compose_notification, should_notify
from chalicelib.outputs.subject import subject
from chalicelib.policy import ScanPolicy
from chalicelib.report.summary import summarize_organization
from chalicelib.settings import HttpsFormat, NotifyOn
from tests.support.examples import given
from tests.support.examples import strategies as st
from tests.support.organization_reports import (
    FOLDER,
    OWN,
    REFUSED,
    account_id,
    account_report,
    baselines,
    joined,
    listed,
    suspended,
)
from tests.support.reports import AS_OF, crowd, key, report_of, unchecked, user

GOLDEN = Path(__file__).parents[1] / "golden"
MAX_SNS_BYTES = 256 * 1024
MAX_ATTRIBUTES = 10
MAX_STATE_BYTES = 64 * 1024  # of what the function returns
EXEMPT = {"iam-key-age:exempt-until": "2026-12-31", "iam-key-age:exempt-reason": "CHG-1"}
LEAKED: Any = {"quarantined_by": "AWSCompromisedKeyQuarantineV3"}
ADMIN: Any = {"can_administer": True, "administers_by": "AdministratorAccess"}
TIMED_OUT = "The function ScanAccount failed: Sandbox.Timedout: RequestId: 1 Error: Task timed out after 900.00 seconds"
PHISHING = "Sign in: https://evil.example.com/`login` @all <b>"  # 50 characters, as Organizations takes it


def calm() -> OrganizationReport:
    return joined([_clean(1), _clean(2)], [suspended(3)], baselines(1, 2))


def compared() -> OrganizationReport:
    """New, still overdue, unused, resolved and exempt keys, an account that is new, and two that were refused."""
    old = user("old", key("AKIAOLD0000000000001", 1820, used=1), tags={"owner": "web@example.com"})
    gone = user("gone", key("AKIAGONE000000000002", 400, used=1))
    one = account_report(
        1,
        old,
        user("late", key("AKIALATE000000000003", 90.5, used=40), key("AKIALATENEW000000004", 30, used=1)),
        user("idle", key("AKIAIDLE000000000005", 70, used=60)),
        user("vault", key("AKIAVAULT00000000006", 500, used="never"), tags=EXEMPT),
        user("soon", key("AKIASOON000000000007", 80, used=1)),
        last=[old, gone],
        max_unused_days=45,
    )
    other = account_report(
        2, user("again", key("AKIAAGAIN00000000008", 200, used=1)), unchecked("dark"),
        last=[user("again", key("AKIAAGAIN00000000008", 200, "Inactive"))], max_unused_days=45,
    )  # fmt: skip
    first = account_report(3, user("boss", key("AKIABOSS000000000009", 120, used=1), **ADMIN), max_unused_days=45)
    left: ListedAccount = {"account_id": account_id(8), "name": "old-crm", "state": None, "cause": "it is gone"}
    return joined(
        [
            (listed(1, "payments-prod"), one),
            (listed(2, "platform"), other),
            (listed(3, "sandbox"), first),
            (listed(4, "backup-vault"), REFUSED),
            (listed(5, "legacy"), REFUSED),
            (listed(6, "data-lake"), TIMED_OUT),
        ],
        [suspended(7, "closed")],
        baselines(1, 2, 4, 8),
        max_unused_days=45,
        excluded=[account_id(9)],
        gone=[left],
    )


def leaked() -> OrganizationReport:
    """Users whom AWS has quarantined in two accounts, root users with keys, and no scan to compare with."""
    web = user("web", key("AKIALEAKED0000000001", 20, used=0.1), tags={"owner": "web@example.com"}, **LEAKED)
    ci = user("ci", key("AKIALEAKED0000000002", 120, used=1), **LEAKED)
    notes = ["No earlier scan of the organization is on record, so every overdue key counts as new."]
    return joined(
        [
            (listed(1, "web-prod"), account_report(1, web, root={"access_keys": 1})),
            (listed(2, None), account_report(2, ci, account={"alias": "acme-ci"})),
            (listed(3, "billing"), account_report(3, user("pay"), root={"access_keys": 1})),
        ],
        notes=notes,
    )


def named() -> OrganizationReport:
    """Named users of two accounts, as of another instant."""
    policy: Any = {"users": ("alice",), "as_of": AS_OF}
    return joined(
        [
            (listed(1), account_report(1, user("alice", key("AKIAALICE00000000001", 91, used=3)), **policy)),
            (listed(2), account_report(2, {"user_name": "alice", "outcome": "not_found"}, **policy)),
        ],
        requested=[account_id(1), account_id(2)],
        **policy,
    )


def phishing() -> OrganizationReport:
    """Accounts whose names are of those who would like to write into this message."""
    return joined(
        [
            (listed(1, PHISHING), account_report(1, user("a", key("AKIAPHISH00000000001", 99, used=1), **LEAKED))),
            (listed(2, "=cmd|' /C calc'!A0"), REFUSED),
            (listed(3, "x\u2028Users: 9 listed\n = 9 checked"), account_report(3, user("b"), root={"access_keys": 1})),
        ],
        [suspended(4, PHISHING)],
    )


def _clean(number: int) -> tuple[ListedAccount, Report]:
    return listed(number), account_report(number, user("alice", key("AKIAFRESH", 1)), last=[user("alice")])


@functools.cache
def largest() -> OrganizationReport:
    """1,000 accounts of 40 overdue keys each with the longest names, 30 more refused and 20 suspended."""

    def outcomes() -> Any:
        for number in range(1, 1_001):
            name = f"account-{number:04}-".ljust(50, "x")
            yield listed(number, name), (REFUSED if number % 33 == 0 else account_of(number))

    def account_of(number: int) -> Report:
        users = [
            user("n" * 59 + f"{one:05}", key(f"AKIA{number:04}{one:012}", 91 + one, used=1), tags={"owner": "o" * 250})
            for one in range(40)
        ]
        return account_report(number, *users, last=[], root={"access_keys": number % 2})

    return joined(list(outcomes()), [suspended(number) for number in range(2_001, 2_021)], baselines(1))


CASES: dict[str, OrganizationReport] = {
    "calm": calm(),
    "compared": compared(),
    "leaked": leaked(),
    "named-users": named(),
    "phishing": phishing(),
    "all-refused": joined([(listed(number), REFUSED) for number in range(1, 41)]),
}


def abridged(text: str) -> str:
    """A text of thousands of lines, its middle cut out and counted."""
    lines = text.splitlines(keepends=True)
    return text if len(lines) < 150 else "".join([*lines[:60], f"[… {len(lines) - 120} lines …]\n", *lines[-60:]])


@pytest.mark.parametrize("name", [*CASES, "largest"])
def test_the_message_is_the_golden_one(name: str) -> None:
    message = compose_organization_message(report(name), FOLDER, list_due_soon=True)

    golden = (GOLDEN / f"organization-{name}.txt").read_text()

    assert abridged(f"Subject: {message.subject}\n\n{message.text}") == golden


def report(name: str) -> OrganizationReport:
    return largest() if name == "largest" else CASES[name]


@pytest.mark.parametrize("name", [*CASES, "largest"])
def test_every_line_is_under_80_columns_and_the_subject_short_ascii_on_one_line(name: str) -> None:
    message = compose_organization_message(report(name), FOLDER, list_due_soon=True)

    assert max(len(line) for line in message.text.splitlines()) < 80
    assert message.text.splitlines() == message.text.split("\n")[:-1]
    assert len(message.subject) < 100
    assert message.subject.isascii()
    assert message.subject.isprintable()
    assert len(message.text.encode()) <= MAX_BYTES


@pytest.mark.parametrize("https_format", list(HttpsFormat))
def test_the_largest_organization_fits_into_a_message_and_into_a_state(https_format: HttpsFormat) -> None:
    notification = compose_notification(largest(), FOLDER, NotifyOn.DUE_SOON, https_format)
    answer = {**notification, "summary": summarize_organization(largest())}

    assert len(notification["message"].encode()) < MAX_SNS_BYTES / 4
    assert len(json.dumps(answer, ensure_ascii=False).encode()) < MAX_STATE_BYTES


def test_the_message_of_the_largest_organization_has_of_everything_and_counts_the_rest() -> None:
    text = compose_organization_message(largest(), FOLDER).text

    new = text.partition("\nNEW, most severe first, then oldest:\n")[2].partition("\n\n")[0]
    assert new.count("days old, overdue since") > 20  # with the longest names and owners
    assert f"and {38_800 - new.count('days old, overdue since')} more in the report." in new
    assert text.count("(2000000") > 80
    assert "\nACCOUNTS UNCHECKED:\n" in text
    assert " ".join(text.split()).count("is not authorized to perform: sts:AssumeRole") == 1  # the cause of all
    assert 'POST /scan {"accounts": ["200000000033", ' in text


@given(
    *[st.integers(0, 100_000)] * 4,
    st.lists(st.integers(0, 1_000), min_size=5, max_size=5),
    st.booleans(),
    st.booleans(),
)
def test_no_counts_make_a_subject_too_long(  # noqa: PLR0913, PLR0917  # hypothesis gives them
    expired: int, new: int, unused: int, due_soon: int, few: list[int], first: bool, past: bool
) -> None:
    made: Any = json.loads(json.dumps(CASES["calm"]))
    made["totals"] |= {"expired": expired, "unused": unused, "due_soon": due_soon}
    made["quarantined"], made["root_access_keys"], made["administrator_keys"] = few[0], ["1"] * few[1], few[2]
    made["root_unknown"], made["coverage"]["accounts_unchecked"] = few[3], few[4]
    made["changes"] |= {"new": new, **({"since": None} if first else {})}
    made["policy"] |= {"as_of": made["as_of"]} if past else {}

    found = subject(made)

    assert len(found) < 100
    assert str(expired) in found
    assert ("INCOMPLETE" in found) == bool(few[3] or few[4])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("calm", "0 new of 0 overdue access keys in 2 accounts (complete: 2 users)"),
        ("compared", "1 administrator key, 3 new of 4 overdue keys in 3 accounts - INCOMPLETE: 3 accounts unchecked"),
        ("leaked", "2 users quarantined, 2 root access keys, 1 overdue access key in 3 accounts (complete: 3 users)"),
        ("all-refused", "0 overdue access keys in 40 accounts - INCOMPLETE: 40 accounts unchecked"),
    ],
)
def test_the_subject_begins_with_what_is_most_severe(name: str, expected: str) -> None:
    assert compose_notification(CASES[name], FOLDER)["subject"] == subject(CASES[name]) == expected


def test_the_name_of_an_account_makes_no_link_and_no_line_of_its_own() -> None:
    text = compose_organization_message(CASES["phishing"], FOLDER).text

    assert "evil.example.com" not in text
    assert "Sign in: https[:]//evil[.]example[.]com/`login` @all <b>" in " ".join(text.split())
    assert not [line for line in text.splitlines() if line.startswith(("=", "Users: 9"))]


def test_the_name_of_an_account_is_no_markup_in_chat() -> None:
    message = json.loads(compose_notification(CASES["phishing"], FOLDER, https_format=HttpsFormat.CHAT)["message"])
    chat = json.loads(message["https"])["content"]["description"]

    assert "`Sign in: https://evil.example.com/'login' @all <b> (200000000001)`" in chat
    assert all(line.count("`") % 2 == 0 for line in chat.splitlines())


def test_chat_says_the_coverage_and_the_accounts_of_the_keys() -> None:
    message = json.loads(compose_notification(CASES["compared"], FOLDER, https_format=HttpsFormat.CHAT)["message"])
    chat = json.loads(message["https"])["content"]

    assert chat["title"] == compose_notification(CASES["compared"], FOLDER)["subject"]
    assert "Accounts: 7 listed = 3 scanned + 3 unchecked + 1 not active; 1 excluded." in chat["description"]
    assert "`AKIABOSS000000000009` `boss` in `sandbox (200000000003)`, High, administrator" in chat["description"]
    assert "Fix what kept accounts from being scanned, then scan again." in chat["nextSteps"]


def test_programs_get_the_counts_the_first_keys_and_the_first_unchecked_accounts() -> None:
    message = json.loads(json.loads(compose_notification(CASES["compared"], FOLDER)["message"])["sqs"])

    assert (message["verdict"], message["scan_kind"]) == ("expired", "organization")
    assert message["summary"] == summarize_organization(CASES["compared"])
    assert message["findings"][0]["account_name"] == "sandbox"
    assert message["findings"][0]["change"] == "new"
    assert [one["account_id"] for one in message["unchecked"]] == [account_id(number) for number in (4, 6, 5)]
    assert all(len(one["cause"]) <= 100 for one in message["unchecked"])
    assert (message["unchecked_left_out"], message["findings_left_out"]) == (0, 0)


def test_what_is_left_out_of_the_report_itself_is_counted_too() -> None:
    message = json.loads(json.loads(compose_notification(largest(), FOLDER)["message"])["sqs"])

    assert message["findings_left_out"] == 38_800 - len(message["findings"])
    assert message["unchecked_left_out"] == 27


def test_the_attributes_are_those_of_an_accounts_report() -> None:
    attributes = compose_notification(CASES["compared"], FOLDER)["attributes"]
    of_one = compose_notification(report_of(user("alice")), FOLDER)["attributes"]

    assert set(attributes) == set(of_one)
    assert len(attributes) <= MAX_ATTRIBUTES
    assert {name: value["DataType"] for name, value in attributes.items()} == {
        name: value["DataType"] for name, value in of_one.items()
    }
    values = {name: value["StringValue"] for name, value in attributes.items()}
    assert values == {
        "verdict": "expired",
        "expired": "4",
        "unused": "1",
        "unchecked": "3",
        "complete": "false",
        "account_id": OWN,
        "scan_kind": "organization",
        "severity": "high",
        "quarantined": "0",
    }


@pytest.mark.parametrize(
    ("made", "subject_says", "headline_says", "unchecked"),
    [
        (
            joined([(listed(1), REFUSED)], [suspended(2), suspended(3)]),
            "in 1 account - INCOMPLETE: 1 account unchecked",
            "INCOMPLETE: 1 account could not be scanned and may have overdue keys.",
            "1",
        ),
        (
            joined([], [suspended(2), suspended(3)]),
            "in 2 accounts - INCOMPLETE: no account active",
            "INCOMPLETE: no account could be scanned, because none of 2 is active.",
            "0",
        ),
    ],
)
def test_subject_text_and_attribute_have_one_number_of_unchecked_accounts(
    made: OrganizationReport, subject_says: str, headline_says: str, unchecked: str
) -> None:
    message = compose_organization_message(made, FOLDER)

    assert message.subject.endswith(subject_says)
    assert headline_says in " ".join(message.text.split())
    assert f" + {unchecked} unchecked + " in message.text
    assert compose_notification(made, FOLDER)["attributes"]["unchecked"]["StringValue"] == unchecked


@pytest.mark.parametrize(
    ("unknown", "words"),
    [
        (1, "INCOMPLETE: it is unknown whether the root user has access keys in 1 account."),
        (2, "INCOMPLETE: it is unknown whether the root users of 2 accounts have access keys."),
    ],
)
def test_of_how_many_accounts_the_root_user_is_unknown_is_said(unknown: int, words: str) -> None:
    dark = [account_report(number, user("alice"), root={"cause": "denied"}) for number in range(1, unknown + 1)]
    made = joined([(listed(number), report) for number, report in enumerate(dark, start=1)])

    assert words in " ".join(compose_organization_message(made, FOLDER).text.split())


def test_what_is_new_is_since_each_accounts_last_report_because_some_may_have_been_scanned_alone() -> None:
    text = " ".join(compose_organization_message(CASES["compared"], FOLDER).text.split())

    assert "3 overdue access keys are new since each account's last report." in text
    assert "Since each account's last report: 3 new, " in text
    assert "2026-11-21T08:00:00Z" not in text


def test_an_account_without_a_user_that_the_policy_names_is_named() -> None:
    text = compose_organization_message(CASES["named-users"], FOLDER).text

    assert "\n  member-2 (200000000002): 1 user not found.\n" in text
    assert "not found." not in compose_organization_message(CASES["calm"], FOLDER).text.partition("ACCOUNTS")[2]


def test_accounts_that_are_not_active_any_more_are_named_and_so_are_the_first_of_all_others() -> None:
    made = joined([_clean(1)], [suspended(number) for number in range(3, 9)], baselines(1, 5))

    text = " ".join(compose_organization_message(made, FOLDER).text.split())

    assert "1 account of the last scan is gone or not active: nothing is known of its keys any more." in text
    assert "No longer active: 1 account, member-5 (200000000005)." in text
    assert (
        "Not active: 6 accounts, member-3 (200000000003), member-4 (200000000004), member-5 (200000000005) and 3 more."
        in text
    )


GONE: ListedAccount = {"account_id": account_id(8), "name": "old-crm", "state": None, "cause": "it is gone"}


def one_account(*now: Any, last: Any, **more: Any) -> OrganizationReport:
    return joined([(listed(1), account_report(1, *now, last=last, **more)), _clean(2)], last=baselines(1, 2))


OLD = user("alice", key("AKIAOLD", 200, used=1))


@pytest.mark.parametrize(
    ("report", "findings", "changes", "due_soon", "always"),
    [
        pytest.param(CASES["calm"], False, False, False, True, id="clean"),
        pytest.param(
            joined([_clean(1)], last=baselines(1, 8), gone=[GONE]), True, True, True, True, id="an account is gone"
        ),
        pytest.param(
            joined([_clean(1)], [suspended(3)], baselines(1, 3)), True, True, True, True, id="not active any more"
        ),
        pytest.param(
            joined([_clean(1)], [suspended(3)], baselines(1, 3, not_active=[3])),
            *(False, False, False, True),
            id="not active as before",
        ),
        pytest.param(one_account(OLD, last=[OLD]), True, False, True, True, id="still overdue"),
        pytest.param(one_account(OLD, last=[user("alice")]), True, True, True, True, id="new"),
        pytest.param(one_account(user("alice"), last=[OLD]), False, True, False, True, id="resolved"),
        pytest.param(
            one_account(user("alice", key("AKIAOLD", 200, used=1), tags=EXEMPT), last=[OLD]),
            *(False, False, False, True),
            id="exempted",
        ),
        pytest.param(one_account(user("a", key("AKIADUE", 80)), last=[]), False, False, True, True, id="due soon"),
        pytest.param(one_account(user("a"), last=[], root={"access_keys": 1}), True, True, True, True, id="root, new"),
        pytest.param(one_account(unchecked("alice"), last=[]), True, True, True, True, id="a user unchecked"),
        pytest.param(joined([_clean(1), (listed(2), REFUSED)]), True, True, True, True, id="an account unchecked"),
        pytest.param(joined([], [suspended(1)]), True, True, True, True, id="no account active"),
        pytest.param(one_account(user("a", **LEAKED), last=[]), True, True, True, True, id="quarantined"),
        pytest.param(CASES["named-users"], True, True, True, True, id="named users"),
    ],
)
def test_a_message_is_sent_for(
    report: OrganizationReport, findings: bool, changes: bool, due_soon: bool, always: bool
) -> None:
    sent = {choice.value: should_notify(report, choice) for choice in NotifyOn}

    assert sent == {"findings": findings, "changes": changes, "due_soon": due_soon, "always": always}


def test_the_metrics_are_of_the_organization_and_never_of_an_account() -> None:
    made = CASES["compared"]

    line = metrics_line(made, "prod", AS_OF, ScanPolicy(max_unused_days=45).to_json())

    written = json.loads(line)
    counts = {name: value for name, value in written.items() if name.startswith(("Keys", "Users", "Accounts"))}
    assert counts == {
        "KeysExpired": 4,
        "KeysUnused": 1,
        "KeysExempt": 1,
        "KeysDueSoon": 1,
        "UsersUnchecked": 1,
        "UsersListed": 8,
        "AccountsListed": 7,
        "AccountsScanned": 3,
        "AccountsUnchecked": 3,
        "AccountsIncomplete": 1,
    }
    assert {one["Name"] for one in written["_aws"]["CloudWatchMetrics"][0]["Metrics"]} == set(counts)
    assert written["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["Stage", "ScanKind"]]
    assert (written["Stage"], written["ScanKind"]) == ("prod", "organization")
    assert not [one for one in made["accounts"] if one["account_id"] in line]


@pytest.mark.parametrize(
    ("made", "policy", "kind"),
    [
        (CASES["calm"], ScanPolicy(), "organization"),
        (CASES["calm"], ScanPolicy(max_age_days=30, warn_days=5), "other_policy"),
        (CASES["named-users"], ScanPolicy(), "accounts"),
    ],
)
def test_the_metrics_tell_the_stages_own_scans_of_all_accounts_from_others(
    made: OrganizationReport, policy: ScanPolicy, kind: str
) -> None:
    assert json.loads(metrics_line(made, "prod", AS_OF, policy.to_json()))["ScanKind"] == kind


def test_one_account_and_many_are_counted_in_their_number() -> None:
    texts = [
        compose_organization_message(
            joined([(listed(number), account_report(number, *crowd(expired=1))) for number in range(1, many + 1)]),
            FOLDER,
        ).text
        for many in (1, 2)
    ]

    assert "1 access key in 1 AWS account is older than 90 days." in texts[0]
    assert "2 access keys in 2 AWS accounts are older than 90 days." in texts[1]
    assert not any("1 accounts" in text for text in texts)
