"""The messages about keys that were deactivated or activated again, and about those that were not. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from chalicelib.deactivation_documents import Action, DeactivationInput, KeyResult
from chalicelib.documents import SCHEMA_VERSION
from chalicelib.outputs.action_sentences import (
    action_in_short,
    action_sentence,
    action_verdict,
    approved_sentence,
    asked_sentence,
    cause_lines,
    undo_request,
    who_lines,
    why_lines,
)
from chalicelib.outputs.links import defuse_addresses
from chalicelib.outputs.mail import INDENT, with_user, wrapped
from chalicelib.outputs.message_chat import custom_notification
from chalicelib.outputs.message_json import compact_json
from chalicelib.outputs.sentences import counted
from chalicelib.outputs.sns import Notification, as_notification
from chalicelib.outputs.subject import first_fitting
from chalicelib.settings import HttpsFormat

_MAX_RESULTS_BYTES = 4_700  # of which each protocol of programs gets a copy
_IN_CHAT = 10
_WHEN = {  # by whether it is known what the key is, and whether it was to be activated again already
    (True, False): "If something misses it, make it active again:",
    (True, True): "To try again:",
    (False, False): "If it is inactive, and something misses it, make it active again:",
    (False, True): "If it is inactive, try again:",
}
_LEFT_ALONE = "iam-key-age leaves the key alone from now on: it deactivates no key twice."


def compose_action_notification(action: Action, https_format: HttpsFormat) -> Notification:
    """Return the message about an action, or about its undo where there is one: who, when, why, how to undo it."""
    verdict, account_id = action_verdict(action), action["account_id"]
    subject = _subject(action_in_short(action), action)
    told = [*who_lines(action), *why_lines(action), *cause_lines(action)]
    text = [
        *_defused([action_sentence(action, _key(action))]),
        "",
        *_defused(told),
        "",
        *_what_to_do(action),
        "",
        f"Action: {action['action_id']}",
    ]
    in_chat = [action_sentence(action, _key(action, "`")), *who_lines(action, "`"), *why_lines(action)]
    request = undo_request(action)
    steps = [f"To make the key active again: `{request}`"] if request else []
    chat = custom_notification((action["action_id"], verdict, account_id), subject, in_chat, steps)
    return as_notification(
        subject,
        _joined(text),
        {"schema_version": SCHEMA_VERSION, "kind": "action", "verdict": verdict, "action": action},
        chat if https_format is HttpsFormat.CHAT else None,
        {"kind": "action", "verdict": verdict, "account_id": account_id},
    )


def compose_rest_notification(
    given: DeactivationInput, results: Sequence[KeyResult], https_format: HttpsFormat
) -> Notification:
    """Return the message about keys that were approved and not deactivated, each with why."""
    verdict, what = ("not_undone", "activated again") if "undo" in given else ("not_deactivated", "deactivated")
    accounts = sorted({one["account_id"] for one in results})
    if len(results) == 1:
        subject, keys = _subject(f"NOT {what}:", results[0]), _key(results[0])
    else:
        where = f"AWS account {accounts[0]}" if len(accounts) == 1 else counted(len(accounts), "AWS account")
        keys = f"{len(results)} access keys in {where}"
        subject = f"NOT {what}: {keys}"
    sentence = f"{keys} {'was' if len(results) == 1 else 'were'} NOT {what}."
    listed = _result_lines(results, of_many=len(accounts) > 1)
    text = [*_defused([sentence]), "", *_defused([_asked(given)]), "", "Why:", *listed, "", *_next(given)]
    first: list[KeyResult] = list(results)
    while len(compact_json(first).encode()) > _MAX_RESULTS_BYTES:
        first.pop()
    for_programs = {
        "schema_version": SCHEMA_VERSION,
        "kind": "not_changed",
        "verdict": verdict,
        "input": {name: value for name, value in given.items() if name != "access_key_ids"},
        "results": first,
        "results_left_out": len(results) - len(first),
    }
    keys_in_chat = [f"`{one['access_key_id']}` `{one['user_name']}`" for one in results[:_IN_CHAT]]
    more = [f"and {len(results) - _IN_CHAT} more."] if len(results) > _IN_CHAT else []
    in_chat = [f"NOT {what}:", *keys_in_chat, *more, _asked(given, "`")]
    about = given.get("scan_id", given.get("undo", "")), verdict, accounts[0]
    chat = custom_notification(about, subject, in_chat, []) if https_format is HttpsFormat.CHAT else None
    return as_notification(
        subject,
        _joined(text),
        for_programs,
        chat,
        {"kind": "not_changed", "verdict": verdict, "account_id": accounts[0]},
    )


def _next(given: DeactivationInput) -> Iterator[str]:
    if "undo" in given:
        yield "To try again:"
        yield f"{INDENT}POST /actions/{given['undo']}/undo"
    else:
        yield from wrapped(["The next full scan plans each key again, or says what keeps it from being deactivated."])


def _asked(given: DeactivationInput, around: str = "") -> str:
    if "undo" in given:
        return asked_sentence(given["by"], given["at"], around)
    return approved_sentence(given["by"], given["at"], given.get("scan_id", ""), around)


def _result_lines(results: Sequence[KeyResult], *, of_many: bool) -> Iterator[str]:
    for one in results:
        account = [f"Account {one['account_id']}"] if of_many else []
        key = with_user(f"{INDENT}{one['access_key_id']:<20}", one["user_name"])
        yield "\n".join([key, *_defused([*account, one["why"]], INDENT * 3)])


def _key(of: Mapping[str, Any], around: str = "") -> str:
    key_id, user, account = (f"{around}{of[name]}{around}" for name in ("access_key_id", "user_name", "account_id"))
    return f"Access key {key_id} of {user} in AWS account {account}"


def _subject(what: str, of: Mapping[str, Any]) -> str:
    """Return what happened to which key, with as much of whose it is as fits."""
    key_id, account_id = of["access_key_id"], of["account_id"]
    return first_fitting(
        f"{what} {key_id} of {of['user_name']} in account {account_id}",
        f"{what} {key_id} of {of['user_name']} in {account_id}",
        f"{what} {key_id} in account {account_id}",
        f"{what} an access key in account {account_id}",
    )


def _what_to_do(action: Action) -> Iterator[str]:
    """Yield how to undo a deactivation, to see what became of it, or to try again, with the commands for it."""
    undo = action["undo"]
    state = (undo or action)["state"]
    known, is_inactive = state in ("done", "failed"), state == ("failed" if undo else "done")
    if not known:
        yield "To see whether the key is active, with credentials of that account:"
        yield from _command("list-access-keys", action)
    if is_inactive or not known:
        yield _WHEN[known, undo is not None]
        if request := undo_request(action):
            yield f"{INDENT}{request}"
            yield "or, without the API, with credentials of that account:"
        yield from _command("update-access-key --status Active", action, of_key=True)
    if state == "failed" and not undo:
        yield "The next full scan plans the key again, if it is still to be deactivated."
    else:
        yield _LEFT_ALONE


def _command(command: str, action: Action, *, of_key: bool = False) -> Iterator[str]:
    """Yield a command of the AWS CLI, in lines that a user's name fits into."""
    options = [command, *([f"--access-key-id {action['access_key_id']}"] if of_key else [])]
    options.append(f"--user-name {action['user_name']}")
    yield f"{INDENT}aws iam " + f" \\\n{INDENT}".join(options)


def _defused(sentences: Iterable[str], indent: str = "") -> Iterator[str]:
    """Yield sentences in lines, no name or cause in which makes a link."""
    return wrapped(map(defuse_addresses, sentences), indent)


def _joined(lines: Iterable[str]) -> str:
    return "\n".join(lines) + "\n"
