"""The catalogue in docs/events/: a schema for each event, the shapes of the code, examples, and the page about them."""

import json
import re
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin, get_type_hints, is_typeddict

import pytest
from jsonschema import Draft4Validator, Draft202012Validator
from moto.events.models import EventPattern

from chalicelib.telling import event_details
from deploy.template import read_resources
from localaws.moto_patches.event_buses import transformed
from tests.support.events import PAGE, SCHEMAS, problems

DETAILS: dict[str, Any] = {
    event_details.OVERDUE: event_details.OverdueDetail,
    event_details.UNUSED: event_details.KeyDetail,
    event_details.DUE_SOON: event_details.KeyDetail,
    event_details.BECAME_SAFE: event_details.KeyDetail,
    event_details.RESOLVED: event_details.ResolvedDetail,
    event_details.DEACTIVATED: event_details.DeactivatedDetail,
    event_details.SCAN_COMPLETED: event_details.ScanCompletedDetail,
}
TYPES = {str: "string", int: "integer", bool: "boolean", type(None): "null"}


def test_there_is_a_schema_for_each_event_and_no_other() -> None:
    named = {value for value in vars(event_details).values() if isinstance(value, str) and value.startswith("IAM ")}

    assert named == SCHEMAS.keys() == DETAILS.keys()


def described(parts: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for part in parts["properties"].values():
        yield part
        if "properties" in part:
            yield from described(part)


@pytest.mark.parametrize("detail_type", SCHEMAS)
def test_a_schema_is_valid_describes_each_field_and_allows_further_ones(detail_type: str) -> None:
    schema = SCHEMAS[detail_type]

    Draft202012Validator.check_schema(schema)
    assert all(part["description"] for part in described(schema))
    assert "additionalProperties" not in str(schema)


@pytest.mark.parametrize("detail_type", SCHEMAS)
def test_a_schema_is_one_of_draft_4_too_which_is_what_the_schema_registry_takes(detail_type: str) -> None:
    [example] = SCHEMAS[detail_type]["examples"]
    keywords = {keyword for part in described(SCHEMAS[detail_type]) for keyword in part}

    Draft4Validator.check_schema({**SCHEMAS[detail_type], "$schema": "http://json-schema.org/draft-04/schema#"})
    assert list(Draft4Validator(SCHEMAS[detail_type]).iter_errors(example)) == []
    assert keywords <= {
        *("type", "description", "enum", "pattern", "format", "minimum"),
        *("items", "required", "properties"),
    }


@pytest.mark.parametrize("detail_type", SCHEMAS)
def test_the_example_of_a_schema_keeps_to_it(detail_type: str) -> None:
    [example] = SCHEMAS[detail_type]["examples"]

    assert problems(example) == []
    assert example["detail-type"] == detail_type


def shape_of(hint: Any) -> Any:
    """The types, the choices and the fields of an annotation."""
    parts = get_args(hint) if get_origin(hint) not in (None, Literal) else (hint,)
    choices = {choice for part in parts if get_origin(part) is Literal for choice in get_args(part)}
    fields = [part for part in parts if is_typeddict(part)]
    types = {TYPES.get(part, "object" if is_typeddict(part) else "string") for part in parts}
    return types, choices, {name: shape_of(one) for name, one in get_type_hints(fields[0]).items()} if fields else {}


def shape_in(schema: dict[str, Any]) -> Any:
    """The same of a part of a schema."""
    types = {schema["type"]} if isinstance(schema["type"], str) else set(schema["type"])
    fields = schema.get("properties", {})
    assert list(fields) == schema.get("required", [])
    return types, set(schema.get("enum", ())) - {None}, {name: shape_in(part) for name, part in fields.items()}


@pytest.mark.parametrize("detail_type", SCHEMAS)
def test_a_schema_has_the_fields_and_the_types_that_the_code_sends(detail_type: str) -> None:
    in_schema = shape_in(SCHEMAS[detail_type]["properties"]["detail"])[2]
    in_code = shape_of(DETAILS[detail_type])[2]

    verdict = in_schema.get("verdict")
    if verdict and detail_type == event_details.SCAN_COMPLETED:  # whose words are report_verdict's
        in_code["verdict"] = verdict
    assert in_schema == in_code


# The rules that the page has.

RULES: dict[str, Any] = read_resources(PAGE.with_suffix("") / "rules.yaml")["Resources"]
EXAMPLES = {detail_type: schema["examples"][0] for detail_type, schema in SCHEMAS.items()}
LEAKED, LOW = {"severity": "critical", "quarantined": True}, {"severity": "low"}
OVERDUE, RESOLVED = event_details.OVERDUE, event_details.RESOLVED
OF_KEYS = (OVERDUE, event_details.UNUSED, event_details.DUE_SOON, event_details.BECAME_SAFE)


def matches(rule: str, event: dict[str, Any]) -> bool:
    pattern = EventPattern.load(json.dumps(RULES[rule]["Properties"]["EventPattern"]))
    return bool(pattern.matches_event(event))  # type: ignore[arg-type]  # it has all fields


def sent(rule: str, event: dict[str, Any]) -> Any:
    """What a rule's target gets of an event."""
    [target] = RULES[rule]["Properties"]["Targets"]
    return json.loads(transformed(target, event))


def of(detail_type: str, **fields: Any) -> dict[str, Any]:
    """The example of an event with other fields."""
    example = EXAMPLES[detail_type]
    return {**example, "detail": {**example["detail"], **fields}}


@pytest.mark.parametrize(
    ("rule", "matched"),
    [
        ("TicketRule", {OVERDUE, event_details.UNUSED, RESOLVED, event_details.DEACTIVATED}),
        ("PageHighRule", {OVERDUE}),
        ("PageResolvedRule", {RESOLVED, event_details.DEACTIVATED}),
        ("ChatRule", SCHEMAS.keys() - {event_details.SCAN_COMPLETED}),
    ],
)
def test_a_rule_of_the_page_matches_its_events_and_no_others(rule: str, matched: set[str]) -> None:
    assert {detail_type for detail_type, event in EXAMPLES.items() if matches(rule, event)} == matched
    assert not matches(rule, {**EXAMPLES[min(matched)], "source": "another"})


@pytest.mark.parametrize(
    ("fields", "paging"), [(LEAKED, "PageRule"), ({"severity": "high"}, "PageHighRule"), (LOW, None)]
)
def test_who_is_paged_for(fields: dict[str, Any], paging: str | None) -> None:
    for rule in ("PageRule", "PageHighRule"):
        paged = {detail_type for detail_type in OF_KEYS if matches(rule, of(detail_type, **fields))}

        assert paged == ({*OF_KEYS} - {event_details.BECAME_SAFE} if rule == paging else set())


@pytest.mark.parametrize("kind", ["full", "organization", "users"])
@pytest.mark.parametrize(("users", "paged"), [(0, False), (1, True), (12, True)])
def test_a_scan_that_finds_quarantined_users_pages_whether_or_not_their_keys_are_overdue(
    kind: str, users: int, paged: bool
) -> None:
    completed = of(event_details.SCAN_COMPLETED, quarantined=users, scan_kind=kind)

    assert matches("PageLeakedRule", completed) == paged


def test_the_pattern_on_the_page_is_that_of_the_rule_for_leaked_keys() -> None:
    [pattern] = re.findall(r"```json\n(.*?quarantined.*?)\n```", PAGE.read_text())

    assert {"source": ["iam-key-age"], **json.loads(pattern)} == RULES["PageLeakedRule"]["Properties"]["EventPattern"]


def test_the_page_of_a_leak_says_of_how_many_users_and_is_one_incident_an_account() -> None:
    first, second = (
        sent("PageLeakedRule", of(event_details.SCAN_COMPLETED, quarantined=2, scan_id=scan_id, event_key=scan_id))
        for scan_id in ("scheduled-1", "scheduled-2")
    )

    assert first["event_action"] == "trigger"
    assert first["payload"]["summary"].endswith("because a key leaked, in the scan of account 123456789012: 2")
    assert first["payload"]["severity"] == "critical"
    assert first["dedup_key"] == second["dedup_key"] == "iam-key-age/123456789012/quarantined"


@pytest.mark.parametrize(
    ("rule", "severity", "of_pagerduty"), [("PageRule", "critical", "critical"), ("PageHighRule", "high", "error")]
)
def test_a_page_is_what_pagerduty_takes_and_is_resolved_by_the_same_key(
    rule: str, severity: str, of_pagerduty: str
) -> None:
    overdue = of(OVERDUE, severity=severity)
    begun, ended = sent(rule, overdue), sent("PageResolvedRule", EXAMPLES[RESOLVED])

    assert begun["event_action"] == "trigger"
    assert begun["payload"] == {
        "summary": f"{severity}: IAM Access Key Overdue: AKIAIOSFODNN7EXAMPLE of deploy-bot in account 123456789012",
        "source": "iam-key-age",
        "severity": of_pagerduty,
        "custom_details": overdue["detail"],
    }
    assert ended == {"event_action": "resolve", "dedup_key": begun["dedup_key"]}


def test_a_ticket_has_all_of_the_event_and_its_key_as_label_until_it_is_resolved() -> None:
    opened, closed_by = (sent("TicketRule", EXAMPLES[detail_type]) for detail_type in (OVERDUE, RESOLVED))

    assert opened == {
        "summary": "IAM Access Key Overdue: AKIAIOSFODNN7EXAMPLE of deploy-bot in account 123456789012",
        "label": "AKIAIOSFODNN7EXAMPLE",
        "type": OVERDUE,
        "event_key": EXAMPLES[OVERDUE]["detail"]["event_key"],
        "detail": EXAMPLES[OVERDUE]["detail"],
    }
    assert (closed_by["type"], closed_by["label"]) == (RESOLVED, opened["label"])


def test_no_two_examples_share_an_event_key() -> None:
    assert len({event["detail"]["event_key"] for event in EXAMPLES.values()}) == len(EXAMPLES)


@pytest.mark.parametrize("detail_type", sorted(SCHEMAS.keys() - {event_details.SCAN_COMPLETED}))
def test_a_chat_line_says_which_key_of_whom(detail_type: str) -> None:
    line = sent("ChatRule", EXAMPLES[detail_type])

    assert line == {"text": f"{detail_type}: `AKIAIOSFODNN7EXAMPLE` of `deploy-bot` in account 123456789012"}


def test_the_page_lists_each_event_with_its_schema_and_no_other() -> None:
    rows = re.findall(
        r"^\| `(IAM Access Key [\w ]+)` \|.*\]\((events/[\w-]+\.schema\.json)\) \|$", PAGE.read_text(), re.MULTILINE
    )

    assert {name for name, _ in rows} == SCHEMAS.keys()
    assert sorted(path for _, path in rows) == sorted(
        f"events/{file.name}" for file in PAGE.with_suffix("").glob("*.schema.json")
    )
