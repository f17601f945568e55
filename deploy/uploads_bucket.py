"""The bucket that deployments upload to, one for each account and Region, made if it is not there.

One that is there is left as it is: it may be the account's own, with its own key, policy and tags.
"""

import json
from http import HTTPStatus
from typing import Any

from botocore.exceptions import ClientError

from deploy.sessions import Target

_OLD_VERSIONS_DAYS = 30


class UploadsBucketError(Exception):
    """The bucket of uploads cannot be had; the message says why and what to do."""


def uploads_bucket(target: Target) -> str:
    """Return the name of the bucket of uploads of this account and Region, which is made if it is not there.

    Raise UploadsBucketError if it belongs to another account or may not be made as it has to be.
    """
    name = f"iam-key-age-artifacts-{target.account_id}-{target.region}"
    s3 = target.client("s3")
    if not _exists(s3, name, target.account_id):
        _make(s3, name, target.region, target.partition)
    return name


def _exists(s3: Any, name: str, account: str) -> bool:
    try:
        s3.head_bucket(Bucket=name, ExpectedBucketOwner=account)
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        if status == HTTPStatus.NOT_FOUND:
            return False
        if status == HTTPStatus.FORBIDDEN:
            raise UploadsBucketError(
                f"The bucket of uploads, {name}, is not to be had: it belongs to another account, or these credentials "
                "may not s3:ListBucket it"
            ) from error
        raise
    return True


def _make(s3: Any, name: str, region: str, partition: str) -> None:
    """Make the bucket, whole or not at all: one that is there is left as it is the next time."""
    where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    s3.create_bucket(Bucket=name, **where)
    try:
        _secure(s3, name, partition)
    except ClientError as error:
        s3.delete_bucket(Bucket=name)
        raise UploadsBucketError(
            f"The bucket of uploads, {name}, was not made, because it could not be secured: {error}. Make it "
            "yourself, or let somebody do so who may"
        ) from error


def _secure(s3: Any, name: str, partition: str) -> None:
    """Make the bucket private, encrypted, versioned and TLS only, and expire its old versions."""
    private = dict.fromkeys(("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"), True)
    s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=private)
    encryption = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": [encryption]})
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": [_end_of_old_versions()]})
    arn = f"arn:{partition}:s3:::{name}"
    statement = {
        "Sid": "DenyPlainHttp",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    s3.put_bucket_policy(Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))


def _end_of_old_versions() -> dict[str, Any]:
    return {
        "ID": "RemoveOldVersions",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "NoncurrentVersionExpiration": {"NoncurrentDays": _OLD_VERSIONS_DAYS},
        "Expiration": {"ExpiredObjectDeleteMarker": True},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
    }
