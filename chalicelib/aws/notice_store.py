"""What each owner was told: the files under `notices/`, which are claimed before a notice is sent."""

import hashlib
import json
from dataclasses import dataclass

from chalicelib.aws import bucket
from chalicelib.telling.cadence import never_told, read_owner_file
from chalicelib.telling_documents import OwnerFile


@dataclass
class OwnersFile:
    """An owner's file as this scan has it."""

    owner: str
    key: str
    before: OwnerFile | None  # as it was read, None where there was none
    etag: str | None

    def claim(self, file: OwnerFile) -> bool:
        """Write the file unless somebody else wrote it since it was read; return whether it was written."""
        etag = bucket.replace_json(self.key, file, self.etag)
        self.etag = etag or self.etag
        return etag is not None

    def give_back(self) -> None:
        """Write the file as it was before it was claimed: the next scan sends what this one could not."""
        self.claim(self.before or never_told(self.owner))


def load(owner: str, *, is_test: bool) -> OwnersFile:
    """Return an owner's file: of notices that went to the owner or, for a test, to NoticesTestTo instead."""
    name = hashlib.sha256(owner.encode()).hexdigest()[:32]
    key = f"notices/test/{name}.json" if is_test else f"notices/{name}.json"
    version = bucket.get_version(key)
    if version is None:
        return OwnersFile(owner, key, None, None)
    try:
        document = json.loads(version.body)
    except (ValueError, RecursionError):
        document = None
    return OwnersFile(owner, key, read_owner_file(document, owner, version.written), version.etag)
