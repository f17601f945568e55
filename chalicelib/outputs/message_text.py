"""The message that people get: a report in plain text, for e-mail. Pure."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from chalicelib.documents import Report, Unchecked
from chalicelib.key_documents import ExpiredKey, Finding, ResolvedKey
from chalicelib.outputs.description import describe_report
from chalicelib.outputs.links import defuse_addresses, defuse_links
from chalicelib.outputs.mail import (
    FEW,
    INDENT,
    MAX_LIST_BYTES,
    MAX_MESSAGE_BYTES,
    ORDER,
    Message,
    how_to_rotate,
    key_lines,
    quarantined_lines,
    section,
    size,
    where,
    with_user,
    wrapped,
)
from chalicelib.outputs.plan_mail import how_to_decide, plan_sections
from chalicelib.outputs.plan_sentences import planned_lines
from chalicelib.outputs.sentences import (
    age_in_words,
    description_lines,
    details_unknown,
    how_resolved,
    resolved_by,
    to_the_second,
)
from chalicelib.outputs.subject import subject

_MAX_CAUSES_BYTES = 2_000  # of why details are unknown: mostly the same for all


def compose_message(report: Report, folder: str, list_due_soon: bool = False) -> Message:
    """Return the mail: what is most severe, what is new, the verdict, what to do, how complete it is, and the keys.

    `folder` is where the scan's files are, as an s3:// URI.
    """
    described = describe_report(report)
    listed = [finding for finding in report["findings"] if list_due_soon or finding["verdict"] != "due_soon"]
    changes = report["changes"]
    reactivated, became_safe = (changes["reactivated"], changes["became_safe"]) if changes else ([], [])
    lines_of = partial(
        key_lines,
        reactivated=reactivated,
        became_safe=became_safe,
        in_full=len(listed) <= FEW,
        planned=partial(planned_lines, report=report),
    )
    head = [
        *wrapped(described.verdict_lines),
        "",
        *wrapped([*map(defuse_addresses, described.count_lines), *described.not_covered]),
        *(f"Not found:   {name}" for name in described.not_found),
        *section("QUARANTINED BY AWS", report["quarantined"], quarantined_lines, MAX_LIST_BYTES),
        *plan_sections(report, MAX_LIST_BYTES),
    ]
    foot = ["", *_how_to(report), *how_to_decide(report), *where(folder), f"As of:   {to_the_second(report['as_of'])}"]
    unchecked = section("UNCHECKED", report["unchecked"], _unchecked_lines, MAX_LIST_BYTES)
    due_soon = section(f"DUE SOON, {ORDER}", _of_verdict(report, "due_soon"), lines_of, MAX_LIST_BYTES)
    rest = [
        *section(f"UNUSED, {ORDER}", _of_verdict(report, "unused"), lines_of, MAX_LIST_BYTES),
        *_rest_of_changes(report),
        *(due_soon if list_due_soon else ()),
        *section("EXEMPT, not counted as overdue", report["exempt"], _exempt_lines, MAX_LIST_BYTES),
        *section("LAST USE, TAGS OR PERMISSIONS UNKNOWN", details_unknown(report), _unchecked_lines, _MAX_CAUSES_BYTES),
    ]
    room = MAX_MESSAGE_BYTES - sum(map(size, (head, foot, unchecked, rest)))
    first, then = _expired_keys(report, lines_of, room)
    return Message(subject(report), "\n".join([*head, *first, *unchecked, *then, *rest, *foot]) + "\n")


def _expired_keys(
    report: Report, lines_of: Callable[[Sequence[Finding]], Iterable[str]], room: int
) -> tuple[list[str], list[str]]:
    """Return the overdue keys in `room` bytes: those to lead with, and those to come later."""
    expired = _of_verdict(report, "expired")
    changes = report["changes"]
    if not changes or not changes["since"]:
        return [], section(f"OVERDUE, {ORDER}", expired, lines_of, room)
    new_ids = {key["access_key_id"] for key in changes["new"]}
    new = [finding for finding in expired if finding["access_key_id"] in new_ids]
    still = [finding for finding in expired if finding["access_key_id"] not in new_ids]
    later = section(f"STILL OVERDUE, {ORDER}", still, lines_of, room // 2)
    return section(f"NEW, {ORDER}", new, lines_of, room - size(later)), later


def _rest_of_changes(report: Report) -> Iterator[str]:
    if changes := report["changes"]:
        yield from section("RESOLVED", changes["resolved"], _resolved_lines, MAX_LIST_BYTES)
        yield from section("OVERDUE LAST TIME, OUT OF SIGHT NOW", changes["unknown"], _unknown_lines, MAX_LIST_BYTES)


def _of_verdict(report: Report, verdict: str) -> list[Finding]:
    return [finding for finding in report["findings"] if finding["verdict"] == verdict]


def _how_to(report: Report) -> Iterator[str]:
    if report["findings"]:
        yield from how_to_rotate()
    if report["unchecked"]:
        yield "What to do about unchecked users: fix the cause shown above, then scan again."
        yield ""


def _exempt_lines(findings: Sequence[Finding]) -> Iterator[str]:
    for finding in findings:
        exemption = finding["exemption"] or {"until": None, "reason": None}
        line = f"{INDENT}{finding['access_key_id']:<20}  until {exemption['until']}"
        about = [*description_lines(finding), age_in_words(finding), f"Reason: {exemption['reason']}"]
        about_it = wrapped(map(defuse_links, about), indent=INDENT * 3)
        yield "\n".join([with_user(line, finding["user_name"]), *about_it])


def _resolved_lines(keys: Sequence[ResolvedKey]) -> Iterator[str]:
    for key in keys:
        line = with_user(f"{INDENT}{key['access_key_id']:<20}  {how_resolved(key):<11}", key["user_name"])
        by = map(defuse_addresses, resolved_by(key))
        yield "\n".join([line, *wrapped(by, INDENT * 3)])


def _unknown_lines(keys: Sequence[ExpiredKey]) -> Iterator[str]:
    for key in keys:
        line = f"{INDENT}{key['access_key_id']:<20}  overdue since {key['overdue_at'][:10]}"
        yield with_user(line, key["user_name"])


def _unchecked_lines(users: Sequence[Unchecked]) -> Iterator[str]:
    for user in users:
        cause = wrapped([defuse_addresses(user["cause"])], indent=INDENT * 3)
        yield "\n".join([f"{INDENT}{user['user_name']}", *cause])
