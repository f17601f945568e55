"""What each owner was told: the files under `notices/`, which are claimed before a notice is sent."""

import hashlib
import json
from dataclasses import dataclass

from chalicelib.aws import bucket
from chalicelib.aws.errors import EvidenceUnavailableError
from chalicelib.telling.cadence import never_told, read_owner_file
from chalicelib.telling_documents import OwnerFile
from chalicelib.telling_settings import NoticeSettings


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

    def amend(self, file: OwnerFile) -> bool:
        """Write what became of a claim; return False if S3 does not take it, so that the claim stays as it is."""
        from botocore.exceptions import ClientError

        try:
            self.claim(file)
        except (EvidenceUnavailableError, ClientError):
            return False
        return True

    def give_back(self, refused: str | None = None) -> bool:
        """Write the file as it was before it was claimed, so that the next scan sends what this one could not.

        `refused` says why, if it may be for this owner. Return False if S3 does not take it: the owner counts as told.
        """
        before = self.before or never_told(self.owner)
        return self.amend({**before, "refused": refused} if refused else before)


def load(owner: str, how: NoticeSettings) -> OwnersFile:
    """Return an owner's file of what this stage sends: by SES or SNS, to the owner or to this NoticesTestTo instead."""
    folder = "notices/sns" if how.by == "sns" else "notices/test" if how.test_to else "notices"
    name = f"{how.test_to.lower()} {owner}" if how.test_to else owner
    key = f"{folder}/{hashlib.sha256(name.encode()).hexdigest()[:32]}.json"
    version = bucket.get_version(key)
    if version is None:
        return OwnersFile(owner, key, None, None)
    try:
        document = json.loads(version.body)
    except (ValueError, RecursionError):
        document = None
    return OwnersFile(owner, key, read_owner_file(document, owner, version.written), version.etag)
