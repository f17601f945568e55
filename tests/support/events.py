"""The catalogue of events in docs/events/, and events as a rule's target gets them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from chalicelib.telling import events
from chalicelib.telling_documents import EventEntry

BUS = "arn:aws:events:us-east-1:123456789012:event-bus/default"
PAGE = Path(__file__).parents[2] / "docs" / "events.md"
SCHEMAS: dict[str, dict[str, Any]] = {
    schema["title"]: schema
    for schema in (json.loads(path.read_text()) for path in sorted(PAGE.with_suffix("").glob("*.schema.json")))
}


def delivered(entry: EventEntry) -> dict[str, Any]:
    """Return an event as a target of a rule gets it."""
    return {
        "version": "0",
        "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718",
        "detail-type": entry["DetailType"],
        "source": entry["Source"],
        "account": "123456789012",
        "time": "2026-11-22T08:01:10Z",
        "region": "us-east-1",
        "resources": [],
        "detail": json.loads(events.detail_json(entry)),
    }


def problems(event: Mapping[str, Any]) -> list[str]:
    """Return what an event has that its schema has not, and what it lacks."""
    schema = closed(SCHEMAS[event["detail-type"]])
    validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(event)]


def closed(schema: Any) -> Any:
    """Return a schema in which no object may have a field that it does not name; the schemas themselves allow more."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    parts = {name: closed(part) for name, part in schema.items() if name != "examples"}
    return {**parts, "additionalProperties": False} if isinstance(schema.get("properties"), dict) else parts


def by_type(entries: list[EventEntry]) -> dict[str, list[Any]]:
    """Return the details of events by their detail-type."""
    found: dict[str, list[Any]] = {}
    for entry in entries:
        found.setdefault(entry["DetailType"], []).append(entry["Detail"])
    return found
