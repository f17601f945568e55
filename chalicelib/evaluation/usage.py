"""Who uses the keys that were found, by CloudTrail: which keys to ask about, and what the answers say. Pure."""

import heapq
import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, cast

from chalicelib.documents import SCHEMA_VERSION, InvalidEvidenceError, Report
from chalicelib.evaluation.leave_keys import suggest_alternative
from chalicelib.evaluation.user_agents import shorten_user_agent
from chalicelib.instants import format_instant, parse_instant
from chalicelib.key_documents import Finding, LastUsed, LeaveKeys, Seen, SeenFrom, Usage
from chalicelib.report.summary import most_severe_first

MOST_KEYS = 200
# What CloudTrail keeps, and how often it may be asked, which each Region of an account allows:
# https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_LookupEvents.html
KEPT_FOR = timedelta(days=90)
SECONDS_APART = 0.5
_TRIES = 2
_SECONDS_TO_END = 20  # one more call, which may take 13, and the file
# It becomes a part of the host that is called: eu-west-1, us-gov-east-1, eusc-de-east-1.
_REGION = "[a-z]{2,5}(-[a-z]{2,12}){1,3}-[0-9]{1,2}"
_SHOWN = 3
WithoutEvents = Literal["nothing", "not_asked", "throttled", "refused", "unknown"]
_LONGEST_TEXT, _LONGEST_CAUSE = 80, 300

_BEYOND = f"a scan asks about {MOST_KEYS} keys at most, the most severe first"
_OUT_OF_TIME = "the time for asking was over"
_NOT_KEPT = "the answers of CloudTrail were not kept"


@dataclass(frozen=True)
class Clock:
    """What a clock reads, in seconds, how to let some of them pass, and how many are left."""

    read: Callable[[], float]
    wait: Callable[[float], None]
    left: Callable[[], float]


def choose_keys(findings: Iterable[Finding], started_at: datetime) -> list[Finding]:
    """Return the findings to ask CloudTrail about: of those in use, the 200 most severe, then oldest, in that order."""
    in_use = (finding for finding in findings if not _why_not_asked(finding, started_at))
    return heapq.nsmallest(MOST_KEYS, in_use, key=most_severe_first)


def look_up_keys(scan_id: str, keys: Sequence[Finding], look_up: Callable[[str, str], SeenFrom], clock: Clock) -> Usage:
    """Look up each key in the Region of its last use, two a second at most; a throttled one once more, at the end.

    It stops while there is time left to keep the answers. `look_up` takes an access key id and a Region.
    """
    seen: dict[str, SeenFrom] = {}
    waiting, last = list(keys), -math.inf
    for _ in range(_TRIES):
        for finding in waiting:
            key_id, last_used = finding["access_key_id"], cast(LastUsed, finding["last_used"])
            clock.wait(max(0.0, last + SECONDS_APART - clock.read()))
            if clock.left() < _SECONDS_TO_END:
                seen.setdefault(key_id, without_events("not_asked", _OUT_OF_TIME))
                continue
            last = clock.read()
            seen[key_id] = look_up(key_id, last_used["region"])
        waiting = [finding for finding in waiting if seen[finding["access_key_id"]]["status"] == "throttled"]
    asked = sum(one["status"] != "not_asked" for one in seen.values())
    return {"schema_version": SCHEMA_VERSION, "scan_id": scan_id, "asked": asked, "keys": seen}


def count_by_status(usage: Usage) -> dict[str, int]:
    """Count the keys by what became of their lookup."""
    return dict(Counter(seen["status"] for seen in usage["keys"].values()))


def without_events(status: WithoutEvents, cause: str | None, region: str | None = None) -> SeenFrom:
    """Return what is known of a key without any event of it."""
    return {
        "status": status,
        "cause": cause and _plain(cause, _LONGEST_CAUSE),
        "region": region,
        "events": 0,
        "more": False,
        "first_at": None,
        "last_at": None,
        "addresses": [],
        "user_agents": [],
        "actions": [],
        "errors": [],
    }


def summarize(events: Sequence[Mapping[str, Any]], region: str, more: bool) -> SeenFrom:
    """Summarize a page of LookupEvents; `more` says that there are others. What an event lacks is left out."""
    if not events:
        empty = "CloudTrail answered with an empty page, which is not the last one"
        return without_events("unknown", empty, region) if more else without_events("nothing", None, region)
    read = [_read(event) for event in events]
    times = sorted(event.at for event in read if event.at)
    return {
        "status": "seen",
        "cause": None,
        "region": region,
        "events": len(events),
        "more": more,
        "first_at": format_instant(times[0]) if times else None,
        "last_at": format_instant(times[-1]) if times else None,
        "addresses": _most_frequent(event.address for event in read),
        "user_agents": _most_frequent(event.user_agent for event in read),
        "actions": _most_frequent(event.action for event in read),
        "errors": _most_frequent(event.error for event in read),
    }


def join_usage(report: Report, answer: Mapping[str, Any] | None, load: Callable[[], Usage]) -> None:
    """Set `seen_from` of each key in a report, and `leave_keys` by it; null where CloudTrail was not to be asked.

    `answer` is what the state machine has: {"kept": true} where `load` returns what was kept, {"cause"} where asking
    failed, nothing where UsageEvidence is off.
    """
    if not answer:
        return
    started_at = parse_instant(report["started_at"])
    keys: Mapping[str, SeenFrom] = {}
    failure = None if answer.get("kept") else str(answer.get("cause") or _NOT_KEPT)
    if failure is None:
        try:
            keys = load()["keys"]
        except InvalidEvidenceError as error:
            failure = str(error)
    for finding in (*report["findings"], *report["exempt"]):
        if why := _why_not_asked(finding, started_at):
            finding["seen_from"] = without_events("not_asked", why)
        elif failure is not None:
            finding["seen_from"] = without_events("unknown", failure)
        else:
            finding["seen_from"] = keys.get(finding["access_key_id"]) or without_events("not_asked", _BEYOND)
            finding["leave_keys"] = _suggest_by_agents(finding) or finding["leave_keys"]


def _suggest_by_agents(finding: Finding) -> LeaveKeys | None:
    """Return what to use instead of a key, which the program that uses it most tells best."""
    seen, last_used = finding["seen_from"], finding["last_used"]
    used = last_used if isinstance(last_used, dict) else None
    return suggest_alternative(
        service=used and used["service"],
        user_name=finding["user_name"],
        tags=finding["tags"],
        description=finding["description"],
        user_agents=[one["value"] for one in seen["user_agents"][:1]] if seen else (),
        region=used and used["region"],
    )


def _why_not_asked(finding: Finding, started_at: datetime) -> str | None:
    """Return why CloudTrail is not asked about a key, None for one that it is asked about."""
    last_used = finding["last_used"]
    if finding["verdict"] == "exempt":
        return "the key is exempt"
    if last_used is None:
        return "IAM has no use of the key on record"
    if isinstance(last_used, str):
        return "the key's last use is unknown"
    if started_at - parse_instant(last_used["at"]) > KEPT_FOR:
        return f"the key was not used in the {KEPT_FOR.days} days that CloudTrail keeps"
    if not re.fullmatch(_REGION, last_used["region"]):
        return "IAM does not say in which Region the key was used last"
    return None


@dataclass(frozen=True)
class _Event:
    """What a summary takes of an event; texts are empty where it lacks them."""

    at: datetime | None
    address: str
    user_agent: str
    action: str
    error: str


def _read(event: Mapping[str, Any]) -> _Event:
    # https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-event-reference-record-contents.html
    record = _record(event.get("CloudTrailEvent"))
    source = _plain(record.get("eventSource") or event.get("EventSource"))
    name = _plain(record.get("eventName") or event.get("EventName"))
    return _Event(
        at=event.get("EventTime"),
        address=_plain(record.get("sourceIPAddress")),
        user_agent=_plain(shorten_user_agent(agent)) if (agent := _text(record.get("userAgent")).strip()) else "",
        action=":".join(filter(None, (source.partition(".")[0], name))),
        error=_plain(record.get("errorCode")),
    )


def _record(text: object) -> Mapping[str, Any]:
    try:
        record = json.loads(_text(text))
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _plain(value: object, longest: int = _LONGEST_TEXT) -> str:
    """Return a text on one line, without characters that are not shown or that turn others around, and cut."""
    text = " ".join("".join(one if one.isprintable() else " " for one in _text(value)).split())
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def _most_frequent(values: Iterable[str]) -> list[Seen]:
    counts = Counter(filter(None, values))
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [{"value": value, "events": events} for value, events in ordered[:_SHOWN]]
