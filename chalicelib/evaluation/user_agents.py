"""User agents as CloudTrail has them, cut down to what tells a program from another. Pure."""

import re
import unicodedata

_LONGEST = 40
_KNOWN = (
    (re.compile("configure-aws-credentials-for-github-actions"), "GitHub Actions"),
    (re.compile(r"^(?:Mozilla|Opera)/"), "browser"),
    (re.compile(r"^(?:AWS Internal|aws-internal/)"), "AWS Internal"),
)
# A tool of an AWS partner, as in "APN/1.0 HashiCorp/1.0 Terraform/1.5.0 (…) …" and in "APN/1.0 Ansible/2.15.0 …".
_PARTNER = re.compile(r"\bAPN/\S+ (?:HashiCorp/\S+ )?([\w.-]+)/", re.ASCII)
_AWS_SDK = re.compile(r"(aws-(?:cli|sdk-[\w-]+)/[0-9]+)", re.ASCII)
# AWS_EXECUTION_ENV, which ECS, Lambda and CloudShell set; anybody may set it to anything, so only their values count.
_EXECUTION_ENVIRONMENT = re.compile(r"\bexec-env/((?:AWS_\w|CloudShell)[\w.]*)", re.ASCII)
_PRODUCT = re.compile(r"[^\s/,;()]+")


def shorten_user_agent(text: str) -> str:
    """Return the program that a user agent names, and where it runs: "aws-cli/2", "Boto3 on AWS_ECS_FARGATE".

    The AWS CLI and SDKs keep their major version; of other programs, and of AWS services that call for the user, it is
    the first name, of at most 40 characters.
    """
    printable = "".join(char for char in text if unicodedata.category(char)[0] != "C").strip()
    agent = printable.removeprefix("[").removesuffix("]").strip()
    environment = _EXECUTION_ENVIRONMENT.search(agent)
    program = _program(agent)[:_LONGEST]
    return f"{program} on {environment[1][:_LONGEST]}" if environment else program


def _program(agent: str) -> str:
    for pattern, name in _KNOWN:
        if pattern.search(agent):
            return name
    if partner := _PARTNER.search(agent):
        return partner[1].lower()
    if sdk := _AWS_SDK.match(agent):
        return sdk[1]
    product = _PRODUCT.search(agent)
    return product[0] if product else "unknown"
