"""security-hub/<account_id>.json: what Security Hub has of an account's keys."""

import json
from typing import Any, NamedTuple, get_type_hints

from chalicelib.aws import bucket
from chalicelib.documents import SCHEMA_VERSION
from chalicelib.instants import parse_instant
from chalicelib.scan_ids import InvalidScanIdError, is_account_id
from chalicelib.telling_documents import SentFinding, SentFindings

_STATUSES = ("FAILED", "WARNING", "PASSED")


class Kept(NamedTuple):
    """What is kept, None for nothing that can be read; and the entity tag of the file to write over."""

    sent: SentFindings | None
    etag: str | None


def load(account_id: str) -> Kept:
    """Return what Security Hub has of an account's keys; of a damaged file nothing, so that all is sent again."""
    version = bucket.get_version(_key(account_id))
    if version is None:
        return Kept(None, None)
    try:
        return Kept(_read(json.loads(version.body), account_id), version.etag)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return Kept(None, version.etag)


def save(sent: SentFindings, etag: str | None) -> str | None:
    """Keep what Security Hub has; return the new entity tag, None where the file changed since it was loaded."""
    return bucket.replace_json(_key(sent["account_id"]), sent, etag)


def _read(document: Any, account_id: str) -> SentFindings:
    if (document["schema_version"], document["account_id"]) != (SCHEMA_VERSION, account_id):
        raise ValueError("of another account")
    parse_instant(document["as_of"])
    return {
        "schema_version": SCHEMA_VERSION,
        "account_id": account_id,
        "scan_id": _text(document["scan_id"]),
        "as_of": document["as_of"],
        "keys": {access_key_id: _read_key(key) for access_key_id, key in document["keys"].items()},
    }


def _read_key(key: Any) -> SentFinding:
    if key["status"] not in _STATUSES:
        raise ValueError("no status of a finding")
    for name in ("key_created_at", "first_sent_at", "sent_at"):
        parse_instant(key[name])
    return {name: _text(key[name]) for name in get_type_hints(SentFinding)}  # type: ignore[return-value]  # its fields


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _key(account_id: str) -> str:
    if not is_account_id(account_id):
        raise InvalidScanIdError(account_id)
    return f"security-hub/{account_id}.json"
