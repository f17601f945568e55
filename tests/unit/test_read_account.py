"""Reading the account from IAM: what may fail, and what is unknown then."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from chalicelib.aws.account import read_account
from chalicelib.documents import AccountFacts
from chalicelib.evaluation.account import Wanted

ADMINISTRATOR = {"Effect": "Allow", "Action": "*", "Resource": "*"}
AT = "2026-11-22T08:00:00Z"
THROTTLED = ClientError({"Error": {"Code": "Throttling", "Message": "Rate exceeded"}}, "X")
DENIED = ClientError({"Error": {"Code": "AccessDenied", "Message": "User: x is not authorized"}}, "X")
NO_NETWORK = EndpointConnectionError(endpoint_url="https://iam.amazonaws.com/")
FAILURES = [THROTTLED, DENIED, NO_NETWORK]


class MissingError(ClientError):
    def __init__(self) -> None:
        super().__init__({"Error": {"Code": "NoSuchEntity", "Message": "gone"}}, "X")


class Iam:
    """A client of IAM that gives prepared answers, by operation, one page after the other; an error is raised."""

    class exceptions:  # noqa: N801  # as a client has it
        NoSuchEntityException = MissingError

    def __init__(self, **answers: Any) -> None:
        self.answers: dict[str, Any] = {**ANSWERS, **answers}
        self.called: list[str] = []

    def __getattr__(self, operation: str) -> Any:
        def call(**arguments: Any) -> Any:
            self.called.append(operation)
            answer = self.answers[operation]
            if isinstance(answer, dict) and "for" in answer:
                answer = answer["for"].get(arguments.get("UserName") or arguments.get("GroupName"), answer["else"])
            if isinstance(answer, list):
                answer = answer[int(arguments.get("Marker", 0))]
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call


def pages(*parts: Mapping[str, Any] | Exception) -> list[Any]:
    last = len(parts) - 1
    return [
        part
        if isinstance(part, Exception)
        else {**part, "IsTruncated": number < last, **({"Marker": str(number + 1)} if number < last else {})}
        for number, part in enumerate(parts)
    ]


def detail(name: str, *, tags: Mapping[str, str] | None = None, groups: tuple[str, ...] = (), **more: Any) -> Any:
    """A user as GetAccountAuthorizationDetails describes one."""
    pairs = [{"Key": key, "Value": value} for key, value in (tags or {}).items()]
    return {"UserName": name, "Path": "/", "Tags": pairs, "GroupList": list(groups), **more}


def attached(*arns: str) -> list[dict[str, str]]:
    return [{"PolicyName": arn.rpartition("/")[2], "PolicyArn": arn} for arn in arns]


def listing(field: str, *items: Any) -> dict[str, Any]:
    return {field: list(items), "IsTruncated": False}


ANSWERS: dict[str, Any] = {
    "get_account_summary": {"SummaryMap": {"AccountAccessKeysPresent": 0}},
    "list_account_aliases": {"AccountAliases": ["acme-prod"], "IsTruncated": False},
    "get_account_authorization_details": pages({"UserDetailList": [detail("alice", tags={"owner": "web"})]}),
    "list_user_tags": listing("Tags", {"Key": "owner", "Value": "web"}),
    "get_user": {"User": {"Path": "/ci/"}},
    "list_groups_for_user": listing("Groups"),
    "list_attached_user_policies": listing("AttachedPolicies"),
    "list_user_policies": listing("PolicyNames"),
    "list_attached_group_policies": listing("AttachedPolicies"),
    "list_group_policies": listing("PolicyNames"),
}


def read(iam: Iam, users: list[str] | None = None, time_is_up: Iterator[bool] | None = None) -> AccountFacts:
    wanted = Wanted("scan-1", "123456789012", "aws", users, root=users is None)
    client: Any = iam
    return read_account(client, wanted, ["owner"], AT, lambda: next(time_is_up) if time_is_up else False)


def test_a_full_scan_reads_all_users_at_once_and_asks_for_no_users_tags() -> None:
    iam = Iam(
        get_account_authorization_details=pages(
            {"UserDetailList": [detail("alice", tags={"owner": "web", "team": "x"})]},
            {"UserDetailList": [detail("bob", groups=("admins",))]},
            {"GroupDetailList": [{"GroupName": "admins", "AttachedManagedPolicies": attached(OWN)}]},
            {"Policies": [policy(OWN, ADMINISTRATOR)]},
        )
    )

    facts = read(iam)

    assert iam.called == ["get_account_authorization_details"] * 4 + ["get_account_summary", "list_account_aliases"]
    assert (facts["alias"], facts["root"], facts["unknown"]) == (
        "acme-prod",
        {"access_keys": 0, "verdict": "ok", "cause": None},
        [],
    )
    assert facts["users"]["alice"]["tags"] == {"owner": "web"}
    assert facts["users"]["alice"]["can_administer"] is False
    assert facts["users"]["bob"]["can_administer"] is True
    assert facts["users"]["bob"]["administers_by"] == "policy own of group admins"


OWN = "arn:aws:iam::123456789012:policy/own"


def policy(arn: str, *statements: Mapping[str, Any]) -> dict[str, Any]:
    old = {"IsDefaultVersion": False, "Document": {"Statement": []}}
    return {
        "Arn": arn,
        "PolicyVersionList": [old, {"IsDefaultVersion": True, "Document": {"Statement": list(statements)}}],
    }


@pytest.mark.parametrize("failure", FAILURES, ids=["throttled", "denied", "no network"])
@pytest.mark.parametrize(
    ("operation", "part"), [("list_account_aliases", "alias"), ("get_account_authorization_details", "users")]
)
def test_a_part_that_cannot_be_had_is_unknown_with_its_cause_and_the_others_are_known(
    operation: str, part: str, failure: Exception
) -> None:
    facts = read(Iam(**{operation: failure}))

    [unknown] = facts["unknown"]
    assert unknown["part"] == part
    assert unknown["cause"]
    assert (facts["alias"] is None) is (part == "alias")
    assert (facts["users"] == {}) is (part == "users")
    assert facts["root"] == {"access_keys": 0, "verdict": "ok", "cause": None}


@pytest.mark.parametrize("failure", FAILURES, ids=["throttled", "denied", "no network"])
def test_a_root_user_that_cannot_be_had_is_unknown_with_its_cause(failure: Exception) -> None:
    facts = read(Iam(get_account_summary=failure))

    assert facts["root"] is not None
    assert (facts["root"]["verdict"], bool(facts["root"]["cause"])) == ("unknown", True)
    assert facts["unknown"] == []


def test_what_was_read_before_a_page_failed_is_kept_and_what_it_would_say_is_unknown() -> None:
    facts = read(
        Iam(
            get_account_authorization_details=pages(
                {
                    "UserDetailList": [
                        detail("alice", tags={"owner": "web"}),
                        detail("bob", groups=("admins",)),
                        detail("root", AttachedManagedPolicies=attached("arn:aws:iam::aws:policy/AdministratorAccess")),
                    ]
                },
                THROTTLED,
            )
        )
    )

    assert facts["unknown"] == [{"part": "users", "cause": "Throttling: Rate exceeded"}]
    assert facts["users"]["alice"]["tags"] == {"owner": "web"}
    assert facts["users"]["alice"]["can_administer"] is False
    assert facts["users"]["bob"]["can_administer"] == "unknown"
    assert facts["users"]["bob"]["cause"] == "Throttling: Rate exceeded"
    assert facts["users"]["root"]["can_administer"] is True


def test_no_call_is_made_once_the_time_is_up() -> None:
    iam = Iam(get_account_authorization_details=pages({}, {}, {}))

    facts = read(iam, time_is_up=iter([False, False, True, True, True]))

    assert iam.called == ["get_account_authorization_details"] * 2
    causes = {unknown["part"]: unknown["cause"] for unknown in facts["unknown"]}
    assert set(causes) == {"users", "alias"}
    assert all(cause.startswith("Not asked for: ") for cause in causes.values())


@pytest.mark.parametrize(
    "odd", [{}, {"IsTruncated": True}, {"UserDetailList": None, "IsTruncated": False}, {"UserDetailList": 7}]
)
def test_a_page_that_cannot_be_read_makes_the_users_unknown(odd: dict[str, Any]) -> None:
    facts = read(Iam(get_account_authorization_details=odd))

    assert [unknown["part"] for unknown in facts["unknown"]] == ["users"]


def test_a_user_who_is_described_in_an_odd_way_is_unknown_and_the_others_are_not() -> None:
    odd = [{"Path": "/"}, {"UserName": "eve", "Tags": [{"Value": "no key"}]}, {"UserName": "mal", "Tags": 7}]

    facts = read(Iam(get_account_authorization_details=pages({"UserDetailList": [*odd, detail("alice")]})))

    assert facts["users"].keys() == {"alice", "eve", "mal"}
    assert facts["users"]["alice"]["quarantined_by"] is None
    for name in ("eve", "mal"):
        assert facts["users"][name]["quarantined_by"] == facts["users"][name]["tags"] == "unknown"
        assert facts["users"][name]["cause"] == "IAM described this user in a way that cannot be read"


def test_named_users_are_read_one_by_one_with_their_groups_and_policies() -> None:
    iam = Iam(
        list_groups_for_user={"for": {"alice": listing("Groups", {"GroupName": "ci"})}, "else": listing("Groups")},
        list_attached_user_policies={"for": {"alice": {"AttachedPolicies": attached(OWN), "IsTruncated": False}}}
        | {"else": listing("AttachedPolicies")},
        list_group_policies=listing("PolicyNames", "deploy"),
        get_group_policy={"PolicyDocument": {"Statement": [ADMINISTRATOR]}},
        get_policy={"Policy": {"DefaultVersionId": "v2"}},
        get_policy_version={"PolicyVersion": {"Document": {"Statement": []}}},
        list_user_tags={"for": {"ghost": MissingError()}, "else": ANSWERS["list_user_tags"]},
    )

    facts = read(iam, ["alice", "ghost", "bob"])

    assert list(facts["users"]) == ["alice", "bob"]
    assert facts["root"] is None
    alice = facts["users"]["alice"]
    assert (alice["path"], alice["owner"], alice["administers_by"]) == (
        "/ci/",
        "web",
        "inline policy deploy of group ci",
    )
    assert facts["users"]["bob"]["can_administer"] is False
    assert iam.called.count("list_user_tags") == 3
    assert iam.called.count("get_policy_version") == 1
    assert "get_account_authorization_details" not in iam.called


@pytest.mark.parametrize(
    ("operation", "tags_known", "can_administer", "quarantined_by"),
    [
        ("list_user_tags", False, False, None),
        ("get_user", True, False, None),
        ("list_groups_for_user", True, "unknown", None),
        ("list_attached_user_policies", True, "unknown", "unknown"),
        ("list_user_policies", True, "unknown", None),
    ],
)
@pytest.mark.parametrize("failure", FAILURES, ids=["throttled", "denied", "no network"])
def test_each_fact_of_a_named_user_that_cannot_be_had_is_unknown_and_the_others_are_known(
    operation: str, tags_known: bool, can_administer: object, quarantined_by: str | None, failure: Exception
) -> None:
    facts = read(Iam(**{operation: failure}), ["alice"])

    alice = facts["users"]["alice"]
    assert (alice["tags"] != "unknown") is tags_known
    assert alice["can_administer"] == can_administer
    assert alice["quarantined_by"] == quarantined_by
    assert (alice["path"] is None) is (operation == "get_user")
    assert alice["cause"]
    assert facts["unknown"] == []


@pytest.mark.parametrize(
    ("operation", "answers"),
    [
        ("list_attached_group_policies", {}),
        ("list_group_policies", {}),
        ("get_group_policy", {"list_group_policies": listing("PolicyNames", "deploy")}),
        ("get_policy", {"list_attached_group_policies": {"AttachedPolicies": attached(OWN), "IsTruncated": False}}),
    ],
)
def test_a_group_or_a_policy_that_cannot_be_read_leaves_unknown_whether_its_users_are_administrators(
    operation: str, answers: dict[str, Any]
) -> None:
    in_group = {"list_groups_for_user": listing("Groups", {"GroupName": "ci"})}

    facts = read(Iam(**{**in_group, **answers, operation: DENIED}), ["alice"])

    alice = facts["users"]["alice"]
    assert alice["can_administer"] == "unknown"
    assert alice["cause"] == "AccessDenied: User: x is not authorized"
    assert alice["quarantined_by"] is None
