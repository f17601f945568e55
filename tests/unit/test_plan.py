"""Which keys are planned, and what keeps them from being deactivated: one key, one scan."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.deactivation_documents import Action
from chalicelib.deactivation_settings import WEEKDAYS, DeactivationSettings
from chalicelib.evaluation.plan import add_plan, holds_of
from chalicelib.instants import format_instant
from chalicelib.key_documents import Finding
from chalicelib.policy import ScanPolicy
from tests.support.examples import event, given
from tests.support.examples import settings as hypothesis_settings
from tests.support.examples import strategies as st
from tests.support.plans import ALLOWED, APPLY, EXEMPT, PROTECTED, Stage, action, at, counts, finding_of, holds, planned
from tests.support.reports import AS_OF, key, report_of, user

DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
TAGGED_ONLY, IN_PEOPLE = replace(APPLY, tagged_only=True), replace(APPLY, user_path="/people/")
EVERY_DAY = replace(APPLY, weekdays=WEEKDAYS)
QUARANTINED: dict[str, Any] = {"quarantined_by": "AWSCompromisedKeyQuarantineV2"}
IDLE = key("AKIAOLD", 200, used=100)
ANN = "arn:aws:iam::123456789012:user/ann"
ONCE = ": a key is deactivated once at most."


def held_by(
    alice: dict[str, Any],
    settings: DeactivationSettings = APPLY,
    earlier: Action | None = None,
    policy: dict[str, Any] | None = None,
) -> list[str] | None:
    found = holds_of(finding_of(report_of(alice, **(policy or {}))), settings, AS_OF, earlier)
    return None if found is None else [hold["by"] for hold in found]


def sentence(alice: dict[str, Any], settings: DeactivationSettings = APPLY, earlier: Action | None = None) -> str:
    [hold] = holds_of(finding_of(report_of(alice)), settings, AS_OF, earlier) or []
    return hold["in_words"]


@pytest.mark.parametrize(
    "alice",
    [
        pytest.param(user("alice", IDLE), id="not used for 90 days"),
        pytest.param(user("alice", key("AKIAOLD", 200, used="never")), id="never used"),
        pytest.param(user("alice", IDLE, **QUARANTINED), id="quarantined, and not used for 90 days"),
        pytest.param(
            user("alice", key("AKIAOLD", 200, used=20), key("AKIANEW", 15, used=1)), id="its successor took over"
        ),
    ],
)
def test_a_key_that_is_safe_to_deactivate_is_planned_and_nothing_holds_it(alice: dict[str, Any]) -> None:
    assert held_by(alice) == []


def test_an_unused_key_that_is_not_overdue_is_planned() -> None:
    assert held_by(user("alice", key("AKIAOLD", 60, used=50)), policy={"max_unused_days": 45}) == []


@pytest.mark.parametrize(
    "alice",
    [
        pytest.param(user("alice", key("AKIAOLD", 200, used=1)), id="in use"),
        pytest.param(user("alice", key("AKIAOLD", 200, used=89)), id="used 89 days ago"),
        pytest.param(user("alice", key("AKIAOLD", 80, used="never")), id="due soon"),
        pytest.param(user("alice", key("AKIAOLD", 200, used=1), key("AKIANEW", 20, used=1)), id="both in use"),
        pytest.param(user("alice", key("AKIAOLD", 200, used=30), key("AKIANEW", 20, used="never")), id="not moved yet"),
        pytest.param(user("alice", key("AKIAOLD", 200, used=1), **QUARANTINED), id="quarantined, and in use"),
        pytest.param(user("alice", key("AKIAOLD", 200, used=1), tags=EXEMPT), id="exempt, and in use"),
        pytest.param(user("alice", key("AKIAOLD", 200, used="unknown"), tags=EXEMPT), id="exempt, its use unknown"),
    ],
)
def test_another_key_is_not_planned(alice: dict[str, Any]) -> None:
    assert held_by(alice) is None


def test_an_inactive_key_is_not_planned_where_they_are_judged_too() -> None:
    assert held_by(user("alice", key("AKIAOLD", 200, "Inactive", used=100)), policy={"include_inactive": True}) is None


@pytest.mark.parametrize(
    ("alice", "settings", "by"),
    [
        (user("alice", IDLE, tags=PROTECTED), APPLY, ["protected"]),
        (user("alice", IDLE, tags={"IAM-Key-Age:Never-Deactivate": "no"}), APPLY, ["protected"]),
        (user("alice", IDLE), TAGGED_ONLY, ["not_in_scope"]),
        (user("alice", IDLE, tags={**ALLOWED, **PROTECTED}), TAGGED_ONLY, ["protected"]),
        (user("alice", IDLE, tags={"iam-key-age:may-deactivate": "True"}), TAGGED_ONLY, ["not_in_scope"]),
        (user("alice", IDLE, tags={"iam-key-age:may-deactivate": ""}), TAGGED_ONLY, ["not_in_scope"]),
        (user("alice", IDLE, tags=ALLOWED), TAGGED_ONLY, []),
        (user("alice", IDLE, tags={"IAM-key-age:May-deactivate": "true"}), TAGGED_ONLY, []),
        (user("alice", IDLE), IN_PEOPLE, ["not_in_scope"]),
        (user("alice", IDLE, path="/people"), IN_PEOPLE, ["not_in_scope"]),
        (user("alice", IDLE, path="/People/"), IN_PEOPLE, ["not_in_scope"]),
        (user("alice", IDLE, path="/people/web/"), IN_PEOPLE, []),
        (user("alice", IDLE, path=None), IN_PEOPLE, ["unknown_details"]),
        (user("alice", IDLE, path=None), APPLY, []),
        (user("alice", IDLE, tags="unknown"), APPLY, ["unknown_details"]),
        (user("alice", IDLE, tags="unknown"), TAGGED_ONLY, ["unknown_details"]),
        (user("alice", IDLE, tags="unknown", **QUARANTINED), APPLY, ["unknown_details"]),
        (user("alice", key("AKIAOLD", 200, used="unknown")), APPLY, ["unknown_details"]),
        (user("alice", key("AKIAOLD", 200, used="unknown"), tags=PROTECTED), APPLY, ["protected", "unknown_details"]),
        (user("alice", key("AKIAOLD", 200, used=1), tags="unknown"), APPLY, ["unknown_details", "used_recently"]),
        (user("alice", IDLE, tags=EXEMPT), APPLY, ["exempt"]),
        (user("alice", key("AKIAOLD", 200, used=90), tags=EXEMPT), APPLY, ["exempt"]),
        (user("alice", key("AKIAOLD", 200, used="never"), tags=EXEMPT), APPLY, ["exempt"]),
        (user("alice", IDLE, tags={**EXEMPT, **PROTECTED}), APPLY, ["exempt", "protected"]),
        (user("alice", key("AKIAOLD", 200, used=3), key("AKIANEW", 2, used=1)), APPLY, ["used_recently"]),
    ],
)  # fmt: skip
def test_what_holds_a_planned_key(alice: dict[str, Any], settings: DeactivationSettings, by: list[str]) -> None:
    assert held_by(alice, settings) == by


@pytest.mark.parametrize(
    ("earlier", "by"),
    [
        (action("AKIAOLD"), ["acted_before"]),
        (action("AKIAOLD", undone_by=ANN), ["acted_before"]),
        (action("AKIAOLD", undone_by=ANN, undo_state="failed"), ["acted_before"]),
        (action("AKIAOLD", "unknown"), ["acted_before"]),
        (action("AKIAOLD", "intended"), ["acted_before"]),
        (action("AKIAOLD", "failed"), []),
        (None, []),
    ],
)
def test_a_key_is_deactivated_once_at_most(earlier: Action | None, by: list[str]) -> None:
    assert held_by(user("alice", IDLE), APPLY, earlier) == by


@pytest.mark.parametrize("after_days", [0, 1, 14, 35])
@pytest.mark.parametrize("is_used", [True, False], ids=["used", "never used"])
@pytest.mark.parametrize(("later", "by"), [(-SECOND, ["used_recently"]), (timedelta(), []), (SECOND, [])])
def test_a_key_is_held_until_it_was_idle_for_as_many_days_and_for_one_at_least(
    after_days: int, is_used: bool, later: timedelta, by: list[str]
) -> None:
    instant = format_instant(AS_OF - max(after_days, 1) * DAY - later)
    finding = finding_of(report_of(user("alice", IDLE)))
    finding["last_used"] = {"at": instant, "service": "s3", "region": "us-east-1"} if is_used else None
    finding["created_at"] = format_instant(AS_OF - 200 * DAY) if is_used else instant

    found = holds_of(finding, replace(APPLY, after_days=after_days), AS_OF, None) or []

    assert [hold["by"] for hold in found] == by


def test_a_young_key_that_was_never_used_is_held_by_its_creation() -> None:
    """With limits of few days, a key may be overdue and unused before anybody put it to use."""
    young: dict[str, Any] = {"max_age_days": 3, "warn_days": 0, "max_unused_days": 2}
    alice = user("alice", key("AKIAOLD", 5, used="never"))

    assert finding_of(report_of(alice, **young))["safe_to_deactivate"] is True
    assert held_by(alice, policy=young) == ["used_recently"]
    assert held_by(alice, replace(APPLY, after_days=5), policy=young) == []


def test_a_key_whose_last_use_is_yet_to_come_is_held() -> None:
    finding = finding_of(report_of(user("alice", IDLE)))
    finding["last_used"] = {"at": format_instant(AS_OF + DAY), "service": "s3", "region": "us-east-1"}

    assert [hold["by"] for hold in holds_of(finding, APPLY, AS_OF, None) or []] == ["used_recently"]


@pytest.mark.parametrize(
    ("alice", "settings", "earlier", "in_words"),
    [
        (user("alice", IDLE, tags=PROTECTED), APPLY, None, "Its user has the tag iam-key-age:never-deactivate."),
        (user("alice", IDLE, tags=EXEMPT), APPLY, None, "Its user is exempt until 2027-01-31."),
        (
            user("alice", IDLE),
            TAGGED_ONLY,
            None,
            "Its user does not have the tag iam-key-age:may-deactivate with the value true.",
        ),
        (
            user("alice", IDLE),
            IN_PEOPLE,
            None,
            "Its user's path, /, does not begin with /people/.",
        ),
        (
            user("alice", key("AKIAOLD", 200, used=3), key("AKIANEW", 2, used=1)),
            APPLY,
            None,
            "It was used on 2026-11-19, less than 14 days ago.",
        ),
        (
            user("alice", key("AKIAOLD", 200, used=0.5), key("AKIANEW", 0.25, used=0.1)),
            replace(APPLY, after_days=0),
            None,
            "It was used on 2026-11-21, less than a day ago.",
        ),
        (user("alice", key("AKIAOLD", 200, used="unknown")), APPLY, None, "When it was last used is unknown."),
        (
            user("alice", IDLE, tags="unknown"),
            APPLY,
            None,
            "Its user's tags are unknown, and so is whether one is iam-key-age:never-deactivate.",
        ),
        (
            user("alice", IDLE),
            APPLY,
            action("AKIAOLD"),
            f"It was deactivated on 2026-11-21, and somebody activated it again{ONCE}",
        ),
        (
            user("alice", IDLE),
            APPLY,
            action("AKIAOLD", undone_by=ANN),
            f"It was deactivated on 2026-11-21, and {ANN} asked for it to be active again{ONCE}",
        ),
        (
            user("alice", IDLE),
            APPLY,
            action("AKIAOLD", "unknown"),
            f"It was to be deactivated on 2026-11-21, and what became of that is unknown{ONCE}",
        ),
    ],
)
def test_a_hold_says_what_it_is_in_words(
    alice: dict[str, Any], settings: DeactivationSettings, earlier: Action | None, in_words: str
) -> None:
    assert sentence(alice, settings, earlier) == in_words


def test_a_key_is_held_until_people_have_been_told_for_as_many_days() -> None:
    """Within the hour, for a daily scan may begin some seconds earlier than the one that told of the key."""
    hour = 1 / 24
    due = {}
    for told_before in (14 - 2 * hour, 14 - hour - 1e-5, 14 - hour, 14, 15):
        stage = Stage(EVERY_DAY)
        stage.scan(0, user("alice", IDLE))
        report = stage.scan(told_before, user("alice", IDLE))
        due[round(told_before, 3)] = (planned(report)["status"], holds(report))

    assert due == {
        13.917: ("held", ["told_recently"]),
        13.958: ("due", []),
        14: ("due", []),
        15: ("due", []),
    }


@pytest.mark.parametrize(
    ("weekday", "by", "due_on"),
    [
        ("SUN", ["told_recently", "weekday"], "2026-12-07"),  # 14 days after it is a Sunday, so the Monday
        ("MON", ["told_recently"], "2026-12-07"),
        ("TUE", ["told_recently"], "2026-12-08"),
        ("WED", ["told_recently"], "2026-12-09"),
        ("THU", ["told_recently"], "2026-12-10"),
        ("FRI", ["told_recently", "weekday"], "2026-12-14"),
        ("SAT", ["told_recently", "weekday"], "2026-12-14"),
    ],
)
def test_a_key_is_due_on_the_first_approved_weekday(weekday: str, by: list[str], due_on: str) -> None:
    report = Stage().scan((WEEKDAYS.index(weekday) + 1) % 7, user("alice", IDLE))

    assert planned(report) == {
        "status": "held",
        "told_since": report["as_of"],
        "due_since": None,
        "due_on": due_on,
        "holds": planned(report)["holds"],
    }
    assert holds(report) == by


@pytest.mark.parametrize(("hour", "weekday"), [(-8.0, "SUN"), (-8.001, "SAT"), (15.999, "SUN"), (16.0, "MON")])
def test_weekdays_are_those_of_utc(hour: float, weekday: str) -> None:
    stage = Stage(replace(APPLY, after_days=0, weekdays=(weekday,)))

    assert planned(stage.scan(hour / 24, user("alice", IDLE)))["status"] == "due"


def test_a_hold_by_time_says_since_when_and_which_days() -> None:
    told, weekday = planned(Stage().scan(0, user("alice", IDLE)))["holds"]

    assert told["in_words"] == "It was announced on 2026-11-22, less than 14 days ago."
    assert weekday["in_words"] == "Keys are deactivated on MON, TUE, WED, THU alone (UTC)."


def test_with_no_days_of_notice_a_key_is_due_in_the_first_scan() -> None:
    report = Stage(replace(EVERY_DAY, after_days=0)).scan(0, user("alice", IDLE))

    assert planned(report) == {
        "status": "due",
        "told_since": "2026-11-22T08:00:00Z",
        "due_since": "2026-11-22T08:00:00Z",
        "due_on": "2026-11-22",
        "holds": [],
    }
    assert counts(report) == {"due": 1, "held": 0, "told": 1, "newly_due": 1}


def test_nobody_is_told_that_a_key_will_be_deactivated_that_something_else_holds() -> None:
    report = Stage().scan(0, user("alice", IDLE, tags=PROTECTED), user("bob", key("AKIAB", 200, used="unknown")))

    for key_id in ("AKIAOLD", "AKIAB"):
        assert {**planned(report, key_id), "holds": []} == {
            "status": "held",
            "told_since": None,
            "due_since": None,
            "due_on": None,
            "holds": [],
        }
    assert counts(report) == {"due": 0, "held": 2, "told": 0, "newly_due": 0}


def test_a_plan_has_the_settings_that_it_was_made_by() -> None:
    settings = DeactivationSettings("plan", needs_approval=False, after_days=7, weekdays=("SAT",), max_per_scan=9)
    report = Stage(replace(settings, tagged_only=True, user_path="/people/")).scan(0, user("alice", IDLE))

    assert report["plan"] == {
        "mode": "plan",
        "approval": "none",
        "after_days": 7,
        "weekdays": ["SAT"],
        "scope": "tagged",
        "user_path": "/people/",
        "max_per_scan": 9,
        "due": 0,
        "held": 1,
        "waiting": 0,
        "newly_told": 0,
        "newly_due": 0,
        "note": None,
        "told": {},
    }


@pytest.mark.parametrize("policy", [{"users": ("alice",)}, {"as_of": at(-30)}])
def test_a_scan_that_is_not_full_has_no_plan(policy: dict[str, Any]) -> None:
    report = report_of(user("alice", IDLE), **policy)

    add_plan(report, APPLY, ScanPolicy(**policy).to_json(), {}, {})

    assert "plan" not in report
    assert planned(report) is None


def mostly(value: Any, *others: Any) -> st.SearchStrategy[Any]:
    """So that some of the keys are due."""
    return st.integers(0, 19).map(lambda number: dict(enumerate(others)).get(number, value))


INSTANTS = st.integers(-60 * 24 * 60, 24 * 60).map(lambda minutes: format_instant(AS_OF + timedelta(minutes=minutes)))
FINDINGS = st.fixed_dictionaries(
    {
        "status": mostly("Active", "Inactive"),
        "verdict": mostly("expired", "unused", "due_soon", "exempt"),
        "created_at": INSTANTS,
        "last_used": st.fixed_dictionaries({"at": INSTANTS}) | mostly(None, "unknown"),
        "tags": mostly(ALLOWED, {}, PROTECTED, {**ALLOWED, **PROTECTED}, "unknown"),
        "user_path": mostly("/people/", "/", None),
        "advice": mostly("deactivate", "finish_rotation", "rotate", None),
        "safe_to_deactivate": mostly(True, False, None),
        "exemption": st.none() | st.just({"until": "2027-01-31"}),
    },
)
SETTINGS = st.builds(
    DeactivationSettings,
    mode=st.sampled_from(["plan", "apply"]),
    after_days=st.integers(0, 40),
    weekdays=mostly(WEEKDAYS, ("MON", "SAT")),
    tagged_only=st.booleans(),
    user_path=st.sampled_from(["/", "/people/"]),
)


@given(finding=FINDINGS, settings=SETTINGS, told_days=st.integers(0, 120), earlier=mostly(None, action("AKIA1")))
@hypothesis_settings(max_examples=1000)
def test_whatever_is_said_of_it_a_key_that_is_used_is_never_due(
    finding: Any, settings: DeactivationSettings, told_days: int, earlier: Action | None
) -> None:
    report: Any = report_of()
    report["findings"] = [{**finding, "access_key_id": "AKIA1"}]
    told: Any = {"AKIA1": {"told_since": format_instant(AS_OF - told_days * DAY), "due_since": None}}

    add_plan(report, settings, ScanPolicy().to_json(), told, {"AKIA1": earlier} if earlier else {})

    one: Finding = report["findings"][0]
    status = one["plan"]["status"] if "plan" in one else "not planned"
    event(status)
    assert (status == "held") == bool(one["plan"]["holds"] if "plan" in one else [])
    if status != "due":
        return
    assert (one["user_path"] or "/").startswith(settings.user_path)
    idle_since = one["last_used"]["at"] if isinstance(one["last_used"], dict) else one["created_at"]
    assert idle_since <= format_instant(AS_OF - max(settings.after_days, 1) * DAY)
    assert one["status"] == "Active"
    assert one["last_used"] != "unknown"
    assert one["tags"] != "unknown"
    assert one["safe_to_deactivate"] is True
    assert "iam-key-age:never-deactivate" not in one["tags"]
    assert one["verdict"] in ("expired", "unused")
    assert WEEKDAYS[AS_OF.weekday()] in settings.weekdays
    assert settings.after_days in range(told_days + 1)
    assert earlier is None
