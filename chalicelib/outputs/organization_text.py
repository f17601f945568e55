"""The message about an organization: its report in plain text, for e-mail. Pure."""

from collections.abc import Iterator, Sequence
from functools import partial

from chalicelib.organization_documents import AccountRow, NamedAccount, OrganizationReport
from chalicelib.outputs.description import describe_report
from chalicelib.outputs.links import defuse_addresses, defuse_links
from chalicelib.outputs.mail import (
    INDENT,
    ORDER,
    Message,
    how_to_rotate,
    key_lines,
    quarantined_lines,
    section,
    size,
    where,
    wrapped,
)
from chalicelib.outputs.organization_sentences import account_in_words, account_label, to_look_at
from chalicelib.outputs.plan_mail import how_to_decide, plan_sections
from chalicelib.outputs.plan_sentences import planned_lines
from chalicelib.outputs.sentences import to_the_second
from chalicelib.outputs.subject import subject

# Shorter than an account's mail: of a thousand accounts, too, no state is to carry more than 64 KiB.
MAX_BYTES = 24_000
_MAX_LIST_BYTES = 3_000
_MAX_PLAN_BYTES = 1_500  # of the keys that are due, and of what was done
_AT_ONCE = 20  # accounts that the command to scan them again names


def compose_organization_message(report: OrganizationReport, folder: str, list_due_soon: bool = False) -> Message:
    """Return the mail: what is most severe, what is new, what to do, how complete it is, the keys and the accounts."""
    described = describe_report(report, _label)
    unchecked = [row for row in report["accounts"] if row["outcome"] == "unchecked"]
    by_cause = sorted(unchecked, key=lambda row: row["cause"] or "")
    head = [
        *wrapped(described.verdict_lines),
        "",
        *wrapped([*described.count_lines, *described.not_covered]),
        *section("ACCOUNTS UNCHECKED", by_cause, _unchecked_lines, _MAX_LIST_BYTES),
        *section(
            "QUARANTINED BY AWS",
            report["quarantined_users"],
            partial(quarantined_lines, account=_account_lines),
            _MAX_LIST_BYTES,
            report["quarantined"],
        ),
        *plan_sections(report, _MAX_PLAN_BYTES, _account_lines),
    ]
    rest = [
        *_keys(report, "UNUSED", "unused", _MAX_LIST_BYTES),
        *(_keys(report, "DUE SOON", "due_soon", _MAX_LIST_BYTES) if list_due_soon else ()),
        *section("ACCOUNTS, first what to look at", to_look_at(report), _lines_of_accounts, _MAX_LIST_BYTES),
    ]
    foot = [
        "",
        *_how_to(report, unchecked),
        *how_to_decide(report),
        *where(folder, "*/pages/*"),
        f"As of:   {to_the_second(report['as_of'])}",
    ]
    room = MAX_BYTES - sum(map(size, (head, rest, foot)))
    return Message(subject(report), "\n".join([*head, *_overdue(report, room), *rest, *foot]) + "\n")


def _overdue(report: OrganizationReport, room: int) -> list[str]:
    changes = report["changes"]
    if not changes or not changes["since"]:
        return _keys(report, "OVERDUE", "expired", room)
    still = _keys(report, "STILL OVERDUE", "expired", room // 2, "still_expired")
    return [*_keys(report, "NEW", "expired", room - size(still), "new"), *still]


def _keys(report: OrganizationReport, title: str, verdict: str, room: int, change: str | None = None) -> list[str]:
    found = [one for one in report["findings"] if one["verdict"] == verdict and change in (None, one["change"])]
    changes = report["changes"]
    number: int = changes[change] if changes and change else report["totals"][verdict]  # type: ignore[literal-required]
    reactivated, became_safe = (
        {one["access_key_id"] for one in found if one[kind]} for kind in ("reactivated", "became_safe")
    )
    lines_of = partial(
        key_lines,
        reactivated=reactivated,
        became_safe=became_safe,
        in_full=False,
        account=_account_lines,
        planned=partial(planned_lines, report=report),
    )
    return section(f"{title}, {ORDER}", found, lines_of, room, number)


def _label(account: NamedAccount) -> str:
    """Return an account's label for a mail: whoever may name an account writes into it."""
    return defuse_links(account_label(account))


def _account_lines(of: NamedAccount) -> Iterator[str]:
    yield f"Account {_label(of)}"


def _unchecked_lines(rows: Sequence[AccountRow]) -> Iterator[str]:
    """Yield the accounts of each cause, which is mostly the same for many, below it."""
    cause = ""
    for row in rows:
        heading = wrapped([defuse_addresses(row["cause"] or "")], INDENT) if row["cause"] != cause else ()
        cause = row["cause"] or ""
        yield "\n".join([*heading, *wrapped([_label(row)], INDENT * 3)])


def _lines_of_accounts(rows: Sequence[AccountRow]) -> Iterator[str]:
    for row in rows:
        one_line = list(wrapped([f"{_label(row)}: {account_in_words(row)}"], INDENT))
        lines = [*wrapped([f"{_label(row)}:"], INDENT), *wrapped([account_in_words(row)], INDENT * 3)]
        yield "\n".join(one_line if len(one_line) == 1 else lines)


def _how_to(report: OrganizationReport, unchecked: Sequence[AccountRow]) -> Iterator[str]:
    if report["findings"]:
        yield from how_to_rotate()
    if unchecked:
        ids = ", ".join(f'"{row["account_id"]}"' for row in unchecked[:_AT_ONCE])
        more = f" (the first {_AT_ONCE} of them)" if len(unchecked) > _AT_ONCE else ""
        yield "What to do about unchecked accounts: fix the cause shown above, try one with"
        yield f"{INDENT}make check-member STAGE=... ACCOUNT={unchecked[0]['account_id']}"
        yield f"and then scan them again, alone{more}:"
        yield from wrapped([f'POST /scan {{"accounts": [{ids}]}}'], indent=INDENT)
        yield ""
