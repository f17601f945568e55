"""Users as read from IAM, made to fit into one account file: one odd field must not keep a report from being made."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from localaws.accounts.account_details import OPERATION as DETAILS
from localaws.accounts.account_file import Account, User
from localaws.accounts.aws_errors import one_line
from localaws.accounts.iam_answers import Notes, OddAnswerError, odd_answer
from localaws.strict_json import first_mistake


class Fitting:
    """What is known of the users so far: names and the ids of keys are each one user's."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._names: dict[str, str] = {}  # by the name in lower case: IAM takes none that differs in case alone
        self._owners: dict[str, str] = {}

    def fit(self, users: Iterable[tuple[Mapping[str, Any], dict[str, Any]]]) -> list[dict[str, Any]]:
        """Return the users as an account file takes them, of pairs of what ListUsers has and what was read.

        What the file would refuse is unknown, with the cause, and a name that it would refuse is replaced.
        """
        fitted = []
        for listed, user in users:
            name = user["user_name"]
            if name and self._names.get(name.lower()) == name:
                continue  # listed twice, as when users are made or deleted between two pages
            named = {**user, "user_name": self._name(name, listed)}
            fitted.append(self._with_keys_of_its_own(self._with_fields_that_fit(named)))
        return fitted

    def _name(self, name: str, listed: Mapping[str, Any]) -> str:
        candidates = (name, str(listed.get("UserId") or ""), f"unnamed-user-{len(self._names) + 1}")
        new = next(one for one in candidates if one.lower() not in self._names and not _mistake("user_name", one))
        if new != name:
            self._notes.add("User names that IAM does not allow, replaced", f'"{one_line(name)}" by {new}')
        self._names[new.lower()] = new
        return new

    def _with_fields_that_fit(self, user: dict[str, Any]) -> dict[str, Any]:
        if _mistake("path", user["path"]):
            self._notes.add('Paths that IAM does not allow, replaced by "/"', user["user_name"])
            user = {**user, "path": "/"}
        if mistake := _mistake("tags", user["tags"]):
            user = unknown(user, "ListUserTags", f"the answer to {DETAILS} has {mistake}")
        if mistake := _mistake("access_keys", user["access_keys"]):
            user = unknown(user, "ListAccessKeys", f"the answer to ListAccessKeys has {mistake}")
        return user

    def _with_keys_of_its_own(self, user: dict[str, Any]) -> dict[str, Any]:
        keys = {key["access_key_id"]: key for key in user["access_keys"]}
        if shared := [key_id for key_id in keys if key_id in self._owners]:
            what = f"the answer to ListAccessKeys has {shared[0]}, a key of {self._owners[shared[0]]}"
            return unknown(user, "ListAccessKeys", what)
        self._owners.update(dict.fromkeys(keys, user["user_name"]))
        return {**user, "access_keys": list(keys.values())}


def unknown(user: dict[str, Any], operation: str, what: str) -> dict[str, Any]:
    """Return the user without what an operation answered, and with what was wrong about that in `denied`."""
    nothing: dict[str, Any] = {"tags": {}} if operation == "ListUserTags" else {"access_keys": []}
    return {**user, **nothing, "denied": {**user["denied"], operation: odd_answer(operation, what)}}


def _mistake(field: str, value: Any) -> str | None:
    try:
        User.model_validate({"user_name": "any", field: value})
    except ValidationError as error:
        return first_mistake(error, "user", User)
    return None


def alias_that_fits(alias: str | None) -> str | None:
    """Return an account's alias; OddAnswerError for one that IAM does not allow."""
    try:
        return Account.model_validate({"users": [], "alias": alias}).alias
    except ValidationError as error:
        raise OddAnswerError(
            f"the answer to ListAccountAliases has {first_mistake(error, 'account', Account)}"
        ) from error
