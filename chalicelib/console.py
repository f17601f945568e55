"""Where a user's access keys are found in the console. Pure."""

from urllib.parse import quote

# https://docs.aws.amazon.com/general/latest/gr/endpoints.html; the partitions of the intelligence agencies have no
# console at a public address.
_CONSOLES = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
    "aws-eusc": "console.amazonaws-eusc.eu",
}


def security_credentials_url(user_name: str, partition: str) -> str:
    """Return the address of a user's Security credentials page; empty where the partition's console is not known."""
    if partition not in _CONSOLES:
        return ""
    user = quote(user_name, safe="")
    return f"https://{_CONSOLES[partition]}/iam/home#/users/details/{user}?section=security_credentials"
