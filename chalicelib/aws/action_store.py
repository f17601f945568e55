"""The files under `actions/`, as `deactivation_documents` has them: keys that were, or were to be, deactivated."""

import re
from collections.abc import Collection, Iterator
from datetime import datetime
from itertools import groupby
from typing import Any, NamedTuple, cast, get_args, get_type_hints

from chalicelib.aws import bucket, clients
from chalicelib.aws.errors import translate_s3_errors
from chalicelib.deactivation_documents import ACTION_ID_PATTERN, Action, Undo
from chalicelib.documents import SCHEMA_VERSION
from chalicelib.instants import format_instant

_KEY = re.compile(
    r"actions/(?P<account>[0-9]{12})/(?P<key>[A-Za-z0-9_]{1,128})-(?P<attempt>[0-9]{1,3})"
    r"/(?P<number>[0-9]{2,3})-(?P<what>intent|outcome)\.json",
    re.ASCII,
)
_DAMAGED = "the record of what became of this key is damaged"
_STATES = get_args(get_type_hints(Action)["state"])


class _File(NamedTuple):
    """A file of an action; those of one action are ordered as they are written."""

    account_id: str
    access_key_id: str
    attempt: int
    number: int  # 0 of the deactivation, 1 and more of undos
    is_outcome: bool
    written: datetime

    @property
    def action_id(self) -> str:
        return f"{self.account_id}-{self.access_key_id}-{self.attempt}"

    @property
    def key(self) -> str:
        return _key(self.action_id, self.number, "outcome" if self.is_outcome else "intent")


def load_last_actions(
    account_id: str, access_key_ids: Collection[str], since: datetime | None
) -> tuple[dict[str, Action], list[Action]]:
    """Return the last action of each of these keys, by access key id, and those that changed after `since`.

    Without a `since`, none changed. An action that cannot be read is one whose outcome is unknown.
    """
    since = since and since.replace(microsecond=0)  # S3 knows no parts of a second
    last: dict[str, _File] = {}
    changed: list[_File] = []
    for file in _last_files(f"actions/{account_id}/"):
        if file.access_key_id in access_key_ids:
            last[file.access_key_id] = max(file, last.get(file.access_key_id, file))
        if since and file.written >= since:
            changed.append(file)
    actions = {file.action_id: _load(file) for file in {*last.values(), *changed}}
    by_key = {access_key_id: actions[file.action_id] for access_key_id, file in last.items()}
    return by_key, [actions[file.action_id] for file in changed]


def load_last_action(account_id: str, access_key_id: str) -> Action | None:
    """Return the last action of a key, None if there is none."""
    files = list(_last_files(f"actions/{account_id}/{access_key_id}-"))
    return _load(max(files)) if files else None


def load_action(action_id: str) -> Action | None:
    """Return an action as it is now, None if there is none of this id."""
    files = _files_of(action_id)
    return _load(files[-1]) if files else None


def list_actions(limit: int, after: str | None) -> tuple[list[Action], str | None]:
    """Return the latest actions, the newest first, and the id after which there are more; None for no more.

    After an action that is none, there is nothing.
    """
    begun = [(files[0].written, max(files)) for files in _files_by_action("actions/")]
    files = [last for _, last in sorted(begun, reverse=True)]
    if after:
        place = next((place for place, file in enumerate(files) if file.action_id == after), len(files))
        files = files[place + 1 :]
    return [_load(file) for file in files[:limit]], files[limit - 1].action_id if len(files) > limit else None


class Begun(NamedTuple):
    """An action as an execution began it, or as it was when an execution began to undo it; its number."""

    action: Action
    number: int


def begin(action: Action) -> Action:
    """Keep that a key is to be deactivated, unless that is on record; return the action as it was begun."""
    return _put_first(action, 0, "intent")


def begin_undo(action: Action, undo: Undo) -> Action:
    """Keep that a key is to be activated again, unless this execution did; return the action as it was begun.

    Where another execution began an undo at the same moment, that is the other's.
    """
    if begun := load_begun(action["action_id"], undo["execution_arn"]):
        return begun.action
    return _put_first({**action, "undo": undo}, 1 + _files_of(action["action_id"])[-1].number, "intent")


def load_begun(action_id: str, execution_arn: str) -> Begun | None:
    """Return what an execution began of an action, None if it is not on record."""
    for file in _files_of(action_id):
        action = None if file.is_outcome else _load(file)
        if action and (action["undo"] or action)["execution_arn"] == execution_arn:
            return Begun(action, file.number)
    return None


def end(action: Action, number: int) -> Action:
    """Keep what became of what was begun, unless that is on record; return the action as it is on record."""
    return _put_first(action, number, "outcome")


def _put_first(action: Action, number: int, what: str) -> Action:
    key = _key(action["action_id"], number, what)
    if bucket.put_first_json(key, action):
        return action
    return next(_load(file) for file in _files_of(action["action_id"]) if file.key == key)


def _folder(action_id: str) -> str:
    account_id, _, rest = action_id.partition("-")
    return f"actions/{account_id}/{rest}"


def _key(action_id: str, number: int, what: str) -> str:
    return f"{_folder(action_id)}/{number:02}-{what}.json"


def _files_of(action_id: str) -> list[_File]:
    if not re.fullmatch(ACTION_ID_PATTERN, action_id, re.ASCII):
        return []
    return sorted(_list(f"{_folder(action_id)}/"))


def _last_files(prefix: str) -> Iterator[_File]:
    """Yield the last file of each action, in the order of their ids."""
    return map(max, _files_by_action(prefix))


def _files_by_action(prefix: str) -> Iterator[list[_File]]:
    for _, files in groupby(_list(prefix), lambda file: file.action_id):
        yield sorted(files)


def _list(prefix: str) -> Iterator[_File]:
    """Yield the files of actions; anything else there is ignored."""
    pages = clients.s3().get_paginator("list_objects_v2").paginate(Bucket=bucket.name(), Prefix=prefix)
    with translate_s3_errors():
        for page in pages:
            for one in page.get("Contents", ()):
                if found := _KEY.fullmatch(one["Key"]):
                    account_id, access_key_id, attempt, number, what = found.groups()
                    place = (account_id, access_key_id, int(attempt), int(number), what == "outcome")
                    yield _File(*place, one["LastModified"])


def _load(file: _File) -> Action:
    try:
        document = bucket.get_json(file.key)
    except (ValueError, RecursionError):
        document = None
    return cast(Action, document) if _is_action(document, file.action_id) else _unknown(file)


def _is_action(document: Any, action_id: str) -> bool:
    """Return whether a document is an action of this id, as far as it is used."""
    if not isinstance(document, dict) or document.get("action_id") != action_id:
        return False
    undo = document.get("undo")
    return (
        _has_texts(document, Action)
        and isinstance(document.get("state_before"), dict)
        and (undo is None or (isinstance(undo, dict) and _has_texts(undo, Undo)))
    )


def _has_texts(document: dict[str, Any], kind: type) -> bool:
    texts = [document.get(name) for name, hint in get_type_hints(kind).items() if hint is str]
    return all(isinstance(text, str) for text in texts) and document.get("state") in _STATES


def _unknown(file: _File) -> Action:
    written = format_instant(file.written)
    return {
        "schema_version": SCHEMA_VERSION,
        "action_id": file.action_id,
        "account_id": file.account_id,
        "user_name": "",
        "access_key_id": file.access_key_id,
        "scan_id": "",
        "approved_by": "",
        "approved_at": written,
        "why": _DAMAGED,
        "state_before": {"status": "", "created_at": written, "last_used": None},
        "execution_arn": "",
        "intended_at": written,
        "state": "unknown",
        "ended_at": None,
        "cause": _DAMAGED,
        "undo": None,
    }
