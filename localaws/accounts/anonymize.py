"""Replace what names people and things in an account file, so that it can be shared; a scan of it finds the same."""

from collections.abc import Collection, Iterator, Mapping
from datetime import date
from typing import Any

from chalicelib.evaluation.tags import REASON_TAG, UNTIL_TAG
from chalicelib.settings import TagSettings
from localaws.accounts.iam_answers import is_odd, odd_answer
from localaws.accounts.permissions import STATEMENT_FIELDS, statements_of

_ACCOUNT_ID = "123456789012"
_FIRST_MEMBER = 100_000_000_001
_NOTHING: dict[str, Any] = {"root": {}, "users": []}  # of an account that was not read
_SOMETHING = "something"
_SOME_CONDITION = {"Bool": {"aws:SecureTransport": "true"}}
_WILDCARDS = set("*?")
_PARTS_OF_AN_ARN = 6  # arn:partition:service:region:account-id:resource
_EXEMPTION_TAGS = {UNTIL_TAG.lower(), REASON_TAG.lower()}


def anonymize(document: Mapping[str, Any]) -> dict[str, Any]:
    """Replace names, ids, paths, tags and resources, each name by the same one; dates, services and actions stay.

    The accounts of an organization keep their states.
    """
    anonymous = _Anonymous()
    replaced = {"account_id": _ACCOUNT_ID, **anonymous.account(document)}
    if "name" in document:
        replaced["name"] = "management"
    if "accounts" in document:
        replaced["accounts"] = [
            {
                "account_id": f"{_FIRST_MEMBER + number}",
                "name": f"account-{number:04d}",
                "state": member["state"],
                "reader_role": member.get("reader_role", True),
                **anonymous.account({**_NOTHING, **member}),
            }
            for number, member in enumerate(document["accounts"])
        ]
    return replaced


class _Anonymous:
    """What names are replaced by, the same ones in all accounts of an organization."""

    def __init__(self) -> None:
        self._tag_names, self._values, self._paths = _Replaced("tag"), _Replaced("value"), _Replaced("path")
        self._keys = _Replaced("AKIA", digits=16, mark="")
        self._groups, self._policies, self._inline = _Replaced("group"), _Replaced("policy"), _Replaced("inline")

    def account(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Return what an account has, but for its id and its name."""
        own, root = document.get("policies", {}), document["root"]
        key_ids = {
            key["access_key_id"]: self._keys[key["access_key_id"]]
            for user in document["users"]
            for key in user["access_keys"]
        }
        return {
            "alias": "example-account" if document.get("alias") else None,
            "root": {"denied": _denied("GetAccountSummary", root["denied"])} if "denied" in root else root,
            "policies": {self._policies[name]: one and _document(one) for name, one in own.items()},
            "groups": [
                {"group_name": self._groups[one["group_name"]], **self._permissions(one, own)}
                for one in document.get("groups", [])
            ],
            "users": [self._user(number, user, own, key_ids) for number, user in enumerate(document["users"], start=1)],
            "denied": {operation: _denied(operation, words) for operation, words in document.get("denied", {}).items()},
        }

    def _user(
        self, number: int, user: Mapping[str, Any], own: Collection[str], key_ids: Mapping[str, str]
    ) -> dict[str, Any]:
        return {
            "user_name": f"user-{number:04d}",
            "path": user["path"] if user["path"] == "/" else f"/{self._paths[user['path']]}/",
            "tags": dict(self._tags(user, key_ids)),
            "groups": [self._groups[name] for name in user.get("groups", [])],
            **self._permissions(user, own),
            "access_keys": [{**key, "access_key_id": key_ids[key["access_key_id"]]} for key in user["access_keys"]],
            "denied": {operation: _denied(operation, words) for operation, words in user["denied"].items()},
        }

    def _tags(self, user: Mapping[str, Any], key_ids: Mapping[str, str]) -> Iterator[tuple[str, str]]:
        owner_tags = set(TagSettings().owner_tags)
        for name, value in user["tags"].items():
            kept = name in owner_tags or name.lower() in _EXEMPTION_TAGS
            is_date = name.lower() == UNTIL_TAG and _is_date(value)
            # The console describes a key by a tag of its id.
            new = key_ids.get(name) or (name if kept else self._tag_names[name])
            yield new, value if is_date or not value.strip() else self._values[value]

    def _permissions(self, whose: Mapping[str, Any], own: Collection[str]) -> dict[str, Any]:
        attached, documents = whose.get("policies", []), whose.get("inline_policies", {})
        return {
            "policies": [self._policies[name] if name in own else name for name in attached],  # the others are AWS's
            "inline_policies": {self._inline[name]: _document(one) for name, one in documents.items()},
        }


def _document(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a policy document without what names something: effects and actions stay."""
    return {"Statement": [_statement(one) for one in statements_of(document)]}


def _statement(statement: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: statement[name] for name in STATEMENT_FIELDS if name in statement}
    for name in kept.keys() & {"Resource", "NotResource"}:
        resources = [kept[name]] if isinstance(kept[name], str) else kept[name]
        kept[name] = [_resource(one) for one in resources]
    return kept | ({"Condition": _SOME_CONDITION} if "Condition" in kept else {})


def _resource(text: str) -> str:
    """Return an ARN, or a pattern of ARNs, without what names something: service, Region and wildcards stay."""
    if set(text) <= _WILDCARDS:
        return text
    parts = text.split(":", _PARTS_OF_AN_ARN - 1)
    if len(parts) < _PARTS_OF_AN_ARN:
        return _SOMETHING
    *of_aws, account, name = parts
    account = account if set(account) <= _WILDCARDS else _ACCOUNT_ID
    return ":".join([*of_aws, account, name if set(name) <= _WILDCARDS else _SOMETHING])


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
