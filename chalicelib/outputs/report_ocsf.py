"""report.ocsf.json: Compliance Findings of the Open Cybersecurity Schema Framework 1.5.0. Pure.

https://schema.ocsf.io/1.5.0/classes/compliance_finding?profiles=cloud
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from chalicelib.documents import Report
from chalicelib.instants import parse_instant
from chalicelib.key_documents import Finding
from chalicelib.outputs.headline import QUARANTINE_ADVICE, QUARANTINE_PAGE
from chalicelib.outputs.sentences import ROOT_ADVICE, how_resolved
from chalicelib.report.controls import controls_of
from chalicelib.report.summary import changes_by_key
from chalicelib.telling.key_states import PRODUCT, KeyState, finding_id, state_of

_VERSION, _CLASS = "1.5.0", 2003
_CREATE, _UPDATE, _CLOSE = "Create", "Update", "Close"
_ACTIVITIES = {"Unknown": 0, _CREATE: 1, _UPDATE: 2, _CLOSE: 3}
_SEVERITIES = {"Unknown": 0, "Informational": 1, "Low": 2, "Medium": 3, "High": 4, "Critical": 5}
_STATUSES = {"New": 1, "Suppressed": 3, "Resolved": 4}
_COMPLIANCE = {"Unknown": 0, "Pass": 1, "Warning": 2, "Fail": 3}
_ACCOUNT = {"type_id": 10, "type": "AWS Account"}
_CONTROLS = {
    "expired": "IAM access keys are replaced in time",
    "unused": "IAM access keys that are not used are deactivated",
    "root": "The root user has no access keys",
    "leaked": "No access key of an IAM user has leaked",
    "user": "The access keys of each IAM user are checked",
    "account": "The access keys of each account are checked",
}
_SCAN_AGAIN = "Fix the cause, then scan again: until then it is unknown whether there are overdue keys."
_HOW_TO_ROTATE = "https://docs.aws.amazon.com/IAM/latest/UserGuide/id-credentials-access-keys-update.html"
_HOW_TO_DELETE_ROOT_KEYS = "https://docs.aws.amazon.com/IAM/latest/UserGuide/id_root-user_manage_delete-key.html"
_REASONS = "https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html"


class Place(NamedTuple):
    """The scan that findings are of, and the account, with its name in the organization where it is known."""

    scan_id: str
    as_of: str
    account_id: str
    account_name: str | None


class _About(NamedTuple):
    """What a finding is about, and the resource; `uid` is the finding's within its account."""

    uid: str
    title: str
    kind: str
    resource: str
    user_name: str | None = None  # of a key


def render_ocsf(report: Report) -> Iterator[str]:
    """Render report.ocsf.json."""
    return array(json.dumps(finding) for finding in findings_of(report))


def array(documents: Iterable[str]) -> Iterator[str]:
    """Return documents in JSON as an array, one a line."""
    before = "[\n"
    for document in documents:
        yield before + document
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"


def findings_of(report: Report, account_name: str | None = None) -> Iterator[dict[str, Any]]:
    """Yield the root user's keys, each finding, exempt key, resolved key, and what could not be checked."""
    place = Place(report["scan_id"], report["as_of"], report["account_id"], account_name or report["account_alias"])
    yield from _root(report, place)
    yield from _quarantined(report, place)
    created, since = _created(report), changes_by_key(report)
    for finding in (*report["findings"], *report["exempt"]):
        reported_since = since.get(finding["access_key_id"], {}).get("reported_since")
        yield _key(finding, report, place, created.get(finding["access_key_id"], _otherwise(report)), reported_since)
    yield from _resolved(report, place)
    yield from _not_known(report, place)
    for user in report["unchecked"]:
        name = user["user_name"]
        title = f"The access keys of IAM user {name} could not be checked"
        yield _unknown(place, _About(f"user/{name}", title, "AwsIamUser", name), user["cause"], "user")


def account_finding(place: Place, cause: str | None) -> dict[str, Any]:
    """Return that an account could not be scanned."""
    title = f"The access keys of account {place.account_id} could not be checked"
    about = _About("", title, "AwsAccount", place.account_id)
    return _unknown(place, about, cause or "it is unknown why", "account")


def _created(report: Report) -> dict[str, str]:
    """Return the activity of each finding that is new, or was not resolved, by access key id."""
    changes = report["changes"]
    if not changes:
        return {}
    new = [key["access_key_id"] for key in changes["new"]] + changes["new_unused"] + changes["new_due_soon"]
    return dict.fromkeys(new, _CREATE)


def _otherwise(report: Report) -> str:
    changes = report["changes"]
    return "Unknown" if changes is None else _UPDATE if changes["since"] else _CREATE


def _key(finding: Finding, report: Report, place: Place, activity: str, since: str | None) -> dict[str, Any]:
    state = state_of(finding, report)
    about = _About(state.access_key_id, state.title, "AwsIamAccessKey", state.access_key_id, state.user_name)
    is_exempt = finding["verdict"] == "exempt"
    violated = finding.get("exempt_from", finding["verdict"])
    requirements = finding["controls"] if is_exempt else list(state.requirements)
    exemption = finding["exemption"]
    return {
        **_event(place, activity, finding["severity"].capitalize(), "Suppressed" if is_exempt else "New"),
        **({"status_detail": exemption["reason"]} if is_exempt and exemption and exemption["reason"] else {}),
        "message": state.title,
        "finding_info": _info(place, about, state.description, since, state.source_url),
        "compliance": _compliance(
            "unused" if violated == "unused" else "expired",
            "Warning" if violated == "due_soon" else "Fail",
            requirements,
            _parameters(report),
        ),
        "resources": [_key_resource(about, state)],
        "remediation": {"desc": state.to_do, "references": [_HOW_TO_ROTATE]},
        "unmapped": {"verdict": state.verdict, **{name: text for name, text in state.fields.items() if text}},
    }


def _resolved(report: Report, place: Place) -> Iterator[dict[str, Any]]:
    """Yield the keys that were found at the last full scan, and are neither found nor exempt any more."""
    changes = report["changes"]
    found = {key["access_key_id"] for key in (*report["findings"], *report["exempt"])}
    for key in (*changes["resolved"], *changes["resolved_early"]) if changes else ():
        if key["access_key_id"] not in found:
            title = f"An access key of IAM user {key['user_name']} is resolved: {how_resolved(key)}"
            about = _About(key["access_key_id"], title, "AwsIamAccessKey", key["access_key_id"], key["user_name"])
            kind = "unused" if key.get("was") == "unused" else "expired"
            yield {
                **_event(place, _CLOSE, "Informational", "Resolved"),
                "message": title,
                "finding_info": _info(place, about, title),
                "compliance": _compliance(kind, "Pass", (), _parameters(report)),
                "resources": [_resource(about)],
                "unmapped": {"how": key["how"]},
            }


def _not_known(report: Report, place: Place) -> Iterator[dict[str, Any]]:
    """Yield the keys that were found at the last full scan, and of which it is unknown what became of them."""
    changes = report["changes"]
    for key in (*changes["unknown"], *changes["unknown_early"]) if changes else ():
        title = f"It is unknown what became of an access key of IAM user {key['user_name']}"
        cause = "its user was unchecked, renamed or deleted during the scan, or its last use could not be read"
        about = _About(key["access_key_id"], title, "AwsIamAccessKey", key["access_key_id"], key["user_name"])
        yield _unknown(place, about, cause, "unused" if key.get("was") == "unused" else "expired")


def _root(report: Report, place: Place) -> Iterator[dict[str, Any]]:
    root = report["root"]
    if root and root["verdict"] == "unknown":
        title = "It is unknown whether the root user has access keys"
        yield _unknown(place, _About("root", title, "AwsIamUser", "root"), root["cause"] or title, "root")
    elif root and root["verdict"] == "root_access_keys":
        title, changes = "The root user has access keys", report["changes"]
        about = _About("root", title, "AwsIamUser", "root")
        activity = _CREATE if changes and changes["new_root_access_keys"] else _UPDATE
        yield {
            **_event(place, activity, "Critical", "New"),
            "message": title,
            "finding_info": _info(place, about, f"{title}: {ROOT_ADVICE}."),
            "compliance": _compliance("root", "Fail", controls_of("root_access_keys")),
            "resources": [_resource(about)],
            "remediation": {"desc": f"{ROOT_ADVICE.capitalize()}.", "references": [_HOW_TO_DELETE_ROOT_KEYS]},
        }


def _quarantined(report: Report, place: Place) -> Iterator[dict[str, Any]]:
    """Yield the users whom AWS quarantined: one has no other finding if their keys are young."""
    for user in report["quarantined"]:
        title = f"AWS quarantined IAM user {user['user_name']}: an access key leaked"
        about = _About(f"user/{user['user_name']}/quarantined", title, "AwsIamUser", user["user_name"])
        yield {
            **_event(place, _otherwise(report), "Critical", "New"),
            "message": title,
            "finding_info": _info(place, about, f"{title}. {QUARANTINE_ADVICE}.", url=user["console_url"]),
            "compliance": _compliance("leaked", "Fail", ()),
            "resources": [_resource(about)],
            "remediation": {"desc": f"{QUARANTINE_ADVICE}.", "references": [QUARANTINE_PAGE]},
            "unmapped": {"quarantined-by": user["policy"]},
        }


def _unknown(place: Place, about: _About, cause: str, control: str) -> dict[str, Any]:
    """Return a finding about what could not be checked: unknown is never compliant."""
    return {
        **_event(place, "Unknown", "Unknown", "New"),
        "status_detail": cause,
        "message": about.title,
        "finding_info": _info(place, about, f"{about.title}: {cause}"),
        "compliance": {**_compliance(control, "Unknown", ()), "status_details": [cause]},
        "resources": [_resource(about)],
        "remediation": {"desc": _SCAN_AGAIN, "references": [_REASONS]},
    }


def _event(place: Place, activity: str, severity: str, status: str) -> dict[str, Any]:
    account = {"uid": place.account_id, **_ACCOUNT, **({"name": place.account_name} if place.account_name else {})}
    return {
        "activity_id": _ACTIVITIES[activity],
        "activity_name": activity,
        "category_uid": 2,
        "category_name": "Findings",
        "class_uid": _CLASS,
        "class_name": "Compliance Finding",
        "type_uid": _CLASS * 100 + _ACTIVITIES[activity],
        "type_name": f"Compliance Finding: {activity}",
        "time": _milliseconds(place.as_of),
        "severity_id": _SEVERITIES[severity],
        "severity": severity,
        "status_id": _STATUSES[status],
        "status": status,
        "metadata": {
            "version": _VERSION,
            "product": {"name": PRODUCT, "vendor_name": PRODUCT},
            "profiles": ["cloud"],
            "correlation_uid": place.scan_id,
            "original_time": place.as_of,
        },
        "cloud": {"provider": "AWS", "account": account, "region": "global"},
    }


def _info(place: Place, about: _About, desc: str, since: str | None = None, url: str = "") -> dict[str, Any]:
    created = {"created_time": _milliseconds(since), "first_seen_time": _milliseconds(since)} if since else {}
    return {
        "uid": finding_id(place.account_id, about.uid).rstrip("/"),  # of a key, as Security Hub has it
        "title": about.title,
        "desc": desc,
        "last_seen_time": _milliseconds(place.as_of),
        **created,
        **({"src_url": url} if url else {}),
    }


def _compliance(
    control: str, status: str, requirements: Iterable[str], parameters: Iterable[Mapping[str, str]] = ()
) -> dict[str, Any]:
    requirements, parameters = list(requirements), list(parameters)
    standards = list(dict.fromkeys(one.rpartition(" ")[0] for one in requirements))
    return {
        "control": _CONTROLS[control],
        "status_id": _COMPLIANCE[status],
        "status": status,
        **({"standards": standards, "requirements": requirements} if requirements else {}),
        **({"control_parameters": parameters} if parameters else {}),
    }


def _parameters(report: Report) -> Iterator[Mapping[str, str]]:
    for name in ("max_age_days", "warn_days", "max_unused_days"):
        if name in report["policy"]:
            yield {"name": name, "value": str(report["policy"][name])}


def _key_resource(about: _About, state: KeyState) -> dict[str, Any]:
    owner = state.fields.get("owner")
    return {
        **_resource(about),
        "created_time": _milliseconds(state.created_at),
        **({"tags": [{"name": "owner", "value": owner}]} if owner else {}),
    }


def _resource(about: _About) -> dict[str, Any]:
    owner = {"owner": {"name": about.user_name}} if about.user_name else {}
    return {"type": about.kind, "uid": about.resource, "name": about.resource, "region": "global", **owner}


def _milliseconds(instant: str) -> int:
    return round(parse_instant(instant).timestamp() * 1000)
