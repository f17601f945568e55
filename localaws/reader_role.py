"""The role that a scan of an organization assumes in each account, as the stack's parameters name it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Reader:
    """What the role is made of, with the defaults of statemachine/resources.yaml."""

    stack_name: str = ""  # of the stack that may assume it
    role_name: str = "iam-key-age-reader"
    external_id: str = "iam-key-age"
    usage_evidence: str = "off"
    role_path: str = "/"
