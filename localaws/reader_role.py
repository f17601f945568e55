"""The role by which accounts of an organization are read into an account file."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Reader:
    """Its name and its external id, with the defaults of statemachine/resources.yaml."""

    role_name: str = "iam-key-age-reader"
    external_id: str = "iam-key-age"
