"""What a test asks of a snapshot, whatever the account answered."""

import json
from pathlib import Path
from typing import Any

from localaws.accounts.account_file import load_account
from localaws.accounts.anonymize import anonymize
from localaws.accounts.snapshot import Snapshot


def only_user(taken: Snapshot) -> dict[str, Any]:
    [one] = taken.document["users"]
    return dict(one)


def readable(taken: Snapshot, tmp_path: Path) -> None:
    """Require that an account file of the snapshot is taken, an anonymous one, too."""
    path = tmp_path / "account.json"
    for document in (taken.document, anonymize(taken.document)):
        path.write_text(json.dumps(document))
        load_account(path)
