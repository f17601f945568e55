"""From IAM's answers to a judged page of users. Pure: plain data in, the shapes of `chalicelib.documents` out."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, NamedTuple

from chalicelib.age import AgeRule, Verdict
from chalicelib.console import security_credentials_url
from chalicelib.documents import (
    NO_OUTCOME,
    SCHEMA_VERSION,
    AccountFacts,
    Coverage,
    Details,
    InvalidEvidenceError,
    Page,
    UserEvidence,
)
from chalicelib.evaluation.advice import advise, advise_on_leak, is_dormant
from chalicelib.evaluation.details import read_last_uses
from chalicelib.evaluation.leave_keys import suggest_alternative
from chalicelib.evaluation.tags import read_exemption
from chalicelib.instants import format_instant, parse_instant, read_instant
from chalicelib.key_documents import ACTIVE, Exemption, Finding, JudgedKey, LastUse, OtherKey
from chalicelib.policy import ScanPolicy
from chalicelib.report.account import facts_of
from chalicelib.report.controls import controls_of, kinds_broken
from chalicelib.settings import DEFAULT_MAX_EXEMPT_DAYS
from chalicelib.severity import rate_severity

_FINDING_VERDICTS = frozenset((Verdict.EXPIRED, Verdict.UNUSED, Verdict.DUE_SOON))


@dataclass(frozen=True)
class ScanContext:
    """What is the same for every page of a scan; `started_at` is when IAM is asked, None means `as_of`."""

    scan_id: str
    account_id: str
    as_of: datetime
    policy: ScanPolicy
    account: AccountFacts
    max_exempt_days: int = DEFAULT_MAX_EXEMPT_DAYS
    started_at: datetime | None = None

    @cached_property
    def rule(self) -> AgeRule:
        """The policy's age rule at the scan's instant."""
        return self.policy.rule(self.as_of)

    @cached_property
    def rule_of_use(self) -> AgeRule:
        """The rule by which last uses are judged: at `as_of` or the scan's start, whichever is earlier."""
        return self.policy.rule(min(self.as_of, self.started_at or self.as_of))


def evaluate_page(
    context: ScanContext,
    number: int,
    listed: list[str],
    outcomes: Iterable[Mapping[str, Any]],
    users_before: int = 0,
) -> Page:
    """Judge one page of users; `users_before` is how many the pages before have.

    `listed` are the user names that were asked for, `outcomes` what came back for each: `{"user_name", "outcome",
    "keys": [{"access_key_id", "status", "created_at"}], "cause", "details"}`, details as `read_details` takes them,
    or {} where they were not asked. A user without an outcome, or with a key that cannot be judged, is unchecked;
    InvalidEvidenceError for an outcome that nobody asked for or that came twice.
    """
    by_user = _outcomes_by_user(listed, outcomes)
    users = [_evaluate_user(name, by_user.get(name), context) for name in listed]
    keys = [key for user in users for key in user.get("keys", ())]
    by_verdict = Counter([key["verdict"] for key in keys])
    found = [finding for user in users if "details" in user for finding in _findings(user, context)]
    return {
        "schema_version": SCHEMA_VERSION,
        "scan_id": context.scan_id,
        "account_id": context.account_id,
        "as_of": format_instant(context.as_of),
        "started_at": format_instant(context.started_at or context.as_of),
        "policy": context.policy.to_json(),
        "page": number,
        "users_so_far": users_before + len(listed),
        "coverage": _coverage(users, by_user, context),
        "totals": {
            "expired": by_verdict[Verdict.EXPIRED],
            "due_soon": by_verdict[Verdict.DUE_SOON],
            "ok": by_verdict[Verdict.OK],
            "unused": by_verdict[Verdict.UNUSED],
            "exempt": by_verdict[Verdict.EXEMPT],
        },
        "findings": [finding for finding in found if finding["verdict"] != Verdict.EXEMPT],
        "exempt": [finding for finding in found if finding["verdict"] == Verdict.EXEMPT],
        "users": users,
    }


def _coverage(users: list[UserEvidence], by_user: Mapping[str, Mapping[str, Any]], context: ScanContext) -> Coverage:
    by_outcome = Counter([user["outcome"] for user in users])
    keys = [key for user in users for key in user.get("keys", ())]
    judged = sum(key["verdict"] is not None for key in keys)
    not_yet_created = sum(_is_not_yet_created(key, context) for key in keys if key["verdict"] is None)
    detailed = [user for user in users if "details" in user]
    return {
        "users_listed": len(users),
        "users_checked": by_outcome["checked"],
        "users_not_found": by_outcome["not_found"],
        "users_unchecked": by_outcome["unchecked"],
        "keys_judged": judged,
        "keys_inactive_skipped": len(keys) - judged - not_yet_created,
        "keys_not_yet_created": not_yet_created,
        "detail_calls": sum(len(user["keys"]) for user in detailed if by_user[user["user_name"]].get("details")),
        "users_facts_unknown": 0,  # BuildReport counts them
        "keys_last_use_unknown": sum(
            key["last_used"] == "unknown" and _is_judged_active(key) for user in detailed for key in user["keys"]
        ),
    }


def _outcomes_by_user(listed: list[str], outcomes: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    asked = set(listed)
    if len(asked) < len(listed):
        raise InvalidEvidenceError("a user was listed twice on one page")
    by_user: dict[str, Mapping[str, Any]] = {}
    for outcome in outcomes:
        user_name = outcome["user_name"]
        if user_name not in asked or user_name in by_user:
            raise InvalidEvidenceError("an outcome came for a user who was not asked for, or came twice")
        by_user[user_name] = outcome
    return by_user


def _evaluate_user(user_name: str, outcome: Mapping[str, Any] | None, context: ScanContext) -> UserEvidence:
    if outcome is None:
        return {"user_name": user_name, "outcome": "unchecked", "cause": NO_OUTCOME}
    if outcome["outcome"] == "not_found":
        return {"user_name": user_name, "outcome": "not_found"}
    if outcome["outcome"] != "checked":
        return {"user_name": user_name, "outcome": "unchecked", "cause": str(outcome.get("cause", NO_OUTCOME))}
    try:
        keys = [_read_key(key) for key in outcome["keys"]]
    except (KeyError, TypeError, ValueError) as error:
        cause = f"IAM described a key in a way that cannot be judged: {error!r}"
        return {"user_name": user_name, "outcome": "unchecked", "cause": cause}
    answer = outcome.get("details")
    if answer or _need_details(keys, context):
        return _evaluate_with_details(user_name, keys, answer, context)
    evaluated = [_evaluated(key, evaluate_key(key, "unknown", None, context)[0]) for key in keys]
    return {"user_name": user_name, "outcome": "checked", "keys": evaluated}


class _Key(NamedTuple):
    access_key_id: str
    status: str
    created_at: datetime
    created_at_text: str


def _read_key(key: Mapping[str, Any]) -> _Key:
    return _Key(key["access_key_id"], key["status"], *read_instant(key["created_at"]))


def evaluate_key(
    key: _Key, last_used: LastUse, exemption: Exemption | None, context: ScanContext
) -> tuple[Verdict | None, Verdict | None]:
    """Return a key's verdict and, of an exempt one, the verdict that it would have; None for a key that is skipped.

    Skipped are keys that were created after the scan's instant, and inactive ones unless the policy includes them.
    """
    is_active = key.status == ACTIVE
    if key.created_at > context.as_of or not (is_active or context.policy.include_inactive):
        return None, None
    verdict = context.rule.verdict(key.created_at)
    if verdict is not Verdict.EXPIRED and is_active and _is_unused(key, last_used, context.rule_of_use):
        verdict = Verdict.UNUSED
    if exemption is not None and exemption["in_force"] and verdict in _FINDING_VERDICTS:
        return Verdict.EXEMPT, verdict
    return verdict, None


def _is_unused(key: _Key, last_used: LastUse, rule: AgeRule) -> bool:
    if isinstance(last_used, str):
        return False
    return rule.is_unused(key.created_at, parse_instant(last_used["at"]) if last_used else None)


def _evaluated(key: _Key, verdict: Verdict | None) -> JudgedKey:
    return {
        "access_key_id": key.access_key_id,
        "status": key.status,
        "created_at": key.created_at_text,
        "verdict": verdict,
    }


def _need_details(keys: list[_Key], context: ScanContext) -> bool:
    verdicts = [(key, evaluate_key(key, "unknown", None, context)[0]) for key in keys]
    if context.policy.max_unused_days is not None and any(
        key.status == ACTIVE and verdict for key, verdict in verdicts
    ):
        return True
    return any(verdict in _FINDING_VERDICTS for _, verdict in verdicts)


def _evaluate_with_details(user_name: str, keys: list[_Key], answer: object, context: ScanContext) -> UserEvidence:
    """Evaluate a user's keys by their age, their last use and the user's exemption."""
    last_uses, cause = read_last_uses(answer, len(keys))
    facts = facts_of(context.account, user_name)
    tags, causes = facts["tags"], "; ".join(dict.fromkeys(filter(None, (cause, facts["cause"])))) or None
    details: Details = {"tags": tags, "exemption": None, "cause": causes}
    if tags != "unknown":
        details["exemption"] = read_exemption(tags, context.as_of, context.rule_of_use.as_of, context.max_exempt_days)
    evaluated: list[JudgedKey] = []
    for key, last_used in zip(keys, last_uses, strict=True):
        verdict, exempt_from = evaluate_key(key, last_used, details["exemption"], context)
        judged = _evaluated(key, verdict)
        judged["last_used"] = last_used
        if key.access_key_id in facts["descriptions"]:
            judged["description"] = facts["descriptions"][key.access_key_id]
        if exempt_from:
            judged["exempt_from"] = str(exempt_from)
        evaluated.append(judged)
    return {"user_name": user_name, "outcome": "checked", "keys": evaluated, "details": details}


def _is_not_yet_created(key: JudgedKey, context: ScanContext) -> bool:
    return parse_instant(key["created_at"]) > context.as_of


def _is_judged_active(key: JudgedKey) -> bool:
    return key["status"] == ACTIVE and key["verdict"] is not None


def _findings(user: UserEvidence, context: ScanContext) -> Iterator[Finding]:
    keys = user.get("keys", [])
    for key in keys:
        if key["verdict"] in _FINDING_VERDICTS or key["verdict"] == Verdict.EXEMPT:
            yield _finding(user, key, [other for other in keys if other is not key], context)


def _finding(user: UserEvidence, key: JudgedKey, others: list[JudgedKey], context: ScanContext) -> Finding:
    created_at = parse_instant(key["created_at"])
    exempt = key["verdict"] == Verdict.EXEMPT
    facts = facts_of(context.account, user["user_name"])
    violated = key["exempt_from"] if exempt else str(key["verdict"])
    quarantined = facts["quarantined_by"] not in (None, "unknown")
    severity = rate_severity(
        violated,
        quarantined=quarantined,
        can_administer=facts["can_administer"] is True,
        dormant=is_dormant(key, context.rule_of_use),
    )
    advice = None
    if not exempt and (quarantined or facts["tags"] != "unknown"):  # without the tags, it may be exempt
        advice = (advise_on_leak if quarantined else advise)(key, others, context.rule_of_use)
    finding: Finding = {
        "user_name": user["user_name"],
        "access_key_id": key["access_key_id"],
        "status": key["status"],
        "created_at": key["created_at"],
        "age_days": context.rule.age_days(created_at),
        "overdue_at": format_instant(context.rule.overdue_at(created_at)),
        "verdict": str(key["verdict"]),
        "last_used": key["last_used"],
        "owner": facts["owner"],
        "owner_known": user["details"]["tags"] != "unknown",
        "tags": user["details"]["tags"],
        "description": key.get("description"),
        "other_keys": [_other_key(other, context.rule) for other in others],
        "advice": advice and advice.action,
        "advice_in_words": advice and advice.sentence,
        "safe_to_deactivate": advice and advice.safe_to_deactivate,
        "exemption": user["details"]["exemption"],
        "severity": severity.value,
        "can_administer": facts["can_administer"],
        "administers_by": facts["administers_by"],
        "quarantined_by": facts["quarantined_by"],
        "user_path": facts["path"],
        "console_url": security_credentials_url(user["user_name"], context.account["partition"]),
        "controls": [clause for kind in kinds_broken(key, context.as_of) for clause in controls_of(kind)],
        "leave_keys": suggest_alternative(
            service=key["last_used"]["service"] if isinstance(key["last_used"], dict) else None,
            user_name=user["user_name"],
            tags=facts["tags"],
            description=key.get("description"),
            user_agents=(),
            region=key["last_used"]["region"] if isinstance(key["last_used"], dict) else None,
        ),
        "seen_from": None,
    }
    if exempt:
        finding["exempt_from"] = key["exempt_from"]
    return finding


def _other_key(key: JudgedKey, rule: AgeRule) -> OtherKey:
    return {
        "access_key_id": key["access_key_id"],
        "age_days": rule.age_days(parse_instant(key["created_at"])),
        "status": key["status"],
        "last_used": key["last_used"],
        "description": key.get("description"),
    }
