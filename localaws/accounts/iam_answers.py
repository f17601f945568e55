"""IAM's answers as an account file has them. What an answer leaves out is unknown, or said: never taken for nothing."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from botocore.exceptions import ParamValidationError
from botocore.parsers import ResponseParserError

from chalicelib.aws.asking import Asking
from chalicelib.instants import format_instant
from chalicelib.settings import is_tag_text
from localaws.accounts.aws_errors import one_line
from localaws.accounts.tag_values import RESERVED

_STATUSES = {"active": "Active", "inactive": "Inactive", "expired": "Expired"}
# What botocore raises for an answer that it does not expect, mostly unawares, or for an id that IAM would not give.
_UNREADABLE = (ResponseParserError, ParamValidationError, ValueError, TypeError, AttributeError, LookupError)
_NONE = "N/A"  # as IAM says that there is no service or Region
_REPLAYED = " (as the snapshot saw it; replayed as a call that is not authorized to perform: iam:"


class OddAnswerError(Exception):
    """An answer that leaves out what is needed, or cannot be read; the message says which and what."""


class Notes:
    """What was odd about an account's answers, and which users or keys it is true of."""

    def __init__(self) -> None:
        self._subjects: dict[str, list[str]] = {}

    def add(self, note: str, subject: str) -> None:
        """Note what is true of a user or a key."""
        self._subjects.setdefault(note, []).append(subject)

    def lines(self, at_most: int = 5) -> Iterator[str]:
        """Yield a line for each note, with so many of its subjects at most."""
        for note, subjects in self._subjects.items():
            more = f" and {len(subjects) - at_most} more" if len(subjects) > at_most else ""
            yield f"{note}: {', '.join(subjects[:at_most])}{more}"


def odd_answer(operation: str, what: str) -> str:
    """Return the words for an account file's `denied` of an answer that could not be used."""
    return f"{what}{_REPLAYED}{operation})"


def is_odd(words: str) -> bool:
    """Return whether words of `denied` are of an answer that could not be used, not of a refusal."""
    return _REPLAYED in words


def what_is_odd(words: str) -> str:
    """Return what was wrong with an answer, of words of `denied`."""
    return words.partition(_REPLAYED)[0]


class StrictAsking(Asking):
    """Makes calls; raises OddAnswerError for an answer that cannot be read, or leaves out what it is for."""

    def ask(self, operation: Callable[..., Any], **arguments: Any) -> dict[str, Any]:
        """Return an answer."""
        try:
            return dict(operation(**arguments))
        except _UNREADABLE as error:
            raise OddAnswerError(
                f"the answer to {_name(operation)} cannot be read ({one_line(error)[:100]})"
            ) from error

    def pages(
        self, operation: Callable[..., Any], fields: tuple[str, ...], /, **arguments: Any
    ) -> Iterator[dict[str, Any]]:
        """Yield the pages of lists, each with at least one of the lists."""
        markers: list[str] = []
        while True:
            answer = self.ask(operation, **arguments, **({"Marker": markers[-1]} if markers else {}))
            if not any(isinstance(answer.get(field), list) for field in fields):
                raise OddAnswerError(f"the answer to {_name(operation)} has no {fields[0]}")
            yield answer
            marker = answer.get("Marker")
            if not answer.get("IsTruncated", bool(marker)):
                return
            if not marker or marker in markers:
                raise OddAnswerError(f"the answer to {_name(operation)} is truncated, and its Marker leads nowhere")
            markers.append(marker)


def _name(operation: Callable[..., Any]) -> str:
    """Return AWS's name of a client's method, ListUsers of list_users."""
    return "".join(part.capitalize() for part in operation.__name__.split("_"))


def read_key(described: Mapping[str, Any], notes: Notes) -> dict[str, Any]:
    """Return a key of ListAccessKeys; a status that is not known counts as not active."""
    for field in ("AccessKeyId", "CreateDate", "Status"):
        if not described.get(field):
            raise OddAnswerError(f"the answer to ListAccessKeys has a key without {field}")
    status = _STATUSES.get(described["Status"].lower())
    if status is None:
        unknown = one_line(described["Status"])
        notes.add(f'Status "{unknown}" is unknown and counts as not active', described["AccessKeyId"])
    return {
        "access_key_id": described["AccessKeyId"],
        "created_at": format_instant(described["CreateDate"]),
        "status": status or "Inactive",
    }


def read_last_use(answer: Mapping[str, Any]) -> dict[str, str] | None:
    """Return what GetAccessKeyLastUsed says; None for a key that was never used, which IAM says by N/A and no date."""
    used = answer.get("AccessKeyLastUsed")
    if not used:
        raise OddAnswerError("the answer to GetAccessKeyLastUsed has no AccessKeyLastUsed")
    service, region = used.get("ServiceName") or _NONE, used.get("Region") or _NONE
    if used.get("LastUsedDate"):
        return {"at": format_instant(used["LastUsedDate"]), "service": service, "region": region}
    if (service, region) != (_NONE, _NONE):
        raise OddAnswerError("the answer to GetAccessKeyLastUsed has no LastUsedDate")
    return None


def read_tags(operation: str, tags: list[dict[str, Any]], user_name: str, notes: Notes) -> dict[str, str]:
    """Return the tags that an account file takes: without those that AWS itself sets, which begin with aws:."""
    read: dict[str, str] = {}
    for tag in tags:
        if not tag.get("Key"):
            raise OddAnswerError(f"the answer to {operation} has a tag without Key")
        if tag["Key"].lower().startswith(RESERVED):
            continue
        key, value = _held(tag["Key"]), _held(tag.get("Value") or "")
        if (key, value) != (tag["Key"], tag.get("Value") or ""):
            notes.add("Tags with characters that IAM does not allow, each replaced by _", user_name)
        if key.lower() in {other.lower() for other in read}:
            raise OddAnswerError(f"the answer to {operation} has the tag {key} twice")
        read[key] = value
    return read


def _held(text: str) -> str:
    return "".join(one if is_tag_text(one) else "_" for one in text)


def read_root(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return whether the root user has access keys; a count that is not there is unknown."""
    present = (answer.get("SummaryMap") or {}).get("AccountAccessKeysPresent")
    if present is None or present < 0:
        raise OddAnswerError("the answer to GetAccountSummary has no AccountAccessKeysPresent")
    return {"access_keys": min(present, 2)}


def name_of(listed: Mapping[str, Any]) -> str | None:
    """Return the name of a user of ListUsers, which the ARN ends in, too; None if neither is there."""
    return listed.get("UserName") or str(listed.get("Arn", "")).rpartition("/")[2] or None
