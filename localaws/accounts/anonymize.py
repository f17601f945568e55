"""Replace what names people and things in an account file, so that it can be shared; a scan of it finds the same."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from chalicelib.evaluation.tags import REASON_TAG, UNTIL_TAG
from chalicelib.settings import TagSettings
from localaws.accounts.iam_answers import is_odd, odd_answer

_EXEMPTION_TAGS = {UNTIL_TAG.lower(), REASON_TAG.lower()}


def anonymize(document: Mapping[str, Any]) -> dict[str, Any]:
    """Replace names, ids, paths and tags, each by the same one wherever it stands; dates and services stay."""
    owner_tags = set(TagSettings().owner_tags)
    tag_names, values, paths = _Replaced("tag"), _Replaced("value"), _Replaced("path")
    keys = _Replaced("AKIA", digits=16, mark="")

    key_ids = {
        key["access_key_id"]: keys[key["access_key_id"]] for user in document["users"] for key in user["access_keys"]
    }

    def tags(user: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        for name, value in user["tags"].items():
            kept = name in owner_tags or name.lower() in _EXEMPTION_TAGS
            is_date = name.lower() == UNTIL_TAG and _is_date(value)
            new = key_ids.get(name) or (name if kept else tag_names[name])  # the console describes a key by such a tag
            yield new, value if is_date or not value.strip() else values[value]

    def replaced(number: int, user: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "user_name": f"user-{number:04d}",
            "path": user["path"] if user["path"] == "/" else f"/{paths[user['path']]}/",
            "tags": dict(tags(user)),
            "access_keys": [{**key, "access_key_id": key_ids[key["access_key_id"]]} for key in user["access_keys"]],
            "denied": {operation: _denied(operation, words) for operation, words in user["denied"].items()},
        }

    root = document["root"]
    return {
        "account_id": "123456789012",
        "root": {"denied": _denied("GetAccountSummary", root["denied"])} if "denied" in root else root,
        "users": [replaced(number, user) for number, user in enumerate(document["users"], start=1)],
    }


def _denied(operation: str, words: str) -> str:
    if is_odd(words):
        return odd_answer(operation, f"the answer to {operation} cannot be used")
    return f"is not authorized to perform: iam:{operation}"


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


class _Replaced(dict[str, str]):
    """Gives each text that is asked for another one, numbered as they come."""

    def __init__(self, prefix: str, digits: int = 4, mark: str = "-") -> None:
        super().__init__()
        self._prefix, self._digits, self._mark = prefix, digits, mark

    def __missing__(self, text: str) -> str:
        self[text] = replaced = f"{self._prefix}{self._mark}{len(self) + 1:0{self._digits}d}"
        return replaced
