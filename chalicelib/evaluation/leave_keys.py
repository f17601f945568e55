"""What to use instead of an access key, by what is known of its use. Pure.

Only a hint: names and descriptions are what people wrote, and user agents what programs call themselves.
"""

import re
from collections.abc import Mapping, Sequence

from chalicelib.evaluation.tags import is_own_tag
from chalicelib.key_documents import LeaveKeys, Unknown

_IAM_GUIDE = "https://docs.aws.amazon.com/IAM/latest/UserGuide"
_OIDC_PAGE = f"{_IAM_GUIDE}/id_roles_providers_oidc.html"


def _words(words: str) -> re.Pattern[str]:
    """Return a pattern of whole words, with `|` between them; a `-` stands for any separator, or for none."""
    return re.compile(rf"(?<![a-z0-9])(?:{words.replace('-', '[-_. ]?')})(?![a-z0-9])", re.IGNORECASE)


def _oidc(system: str) -> LeaveKeys:
    instead = f"Let {system} assume a role through an OIDC identity provider; each run then gets temporary credentials."
    return {"use": system, "instead": instead, "url": _OIDC_PAGE}


def _role(use: str, instead: str, url: str) -> LeaveKeys:
    return {"use": use, "instead": instead, "url": url}


_JENKINS = _role(
    "Jenkins",
    "Let Jenkins assume a role: the instance's role where it runs on EC2, otherwise through an OIDC identity provider.",
    _OIDC_PAGE,
)
_VENDOR = _role(
    "access by a third party",
    "Give the third party a role to assume from its own AWS account, with an external ID, if it supports that.",
    f"{_IAM_GUIDE}/id_roles_common-scenarios_third-party.html",
)
_ON_PREMISES = _role(
    "a workload outside AWS",
    "Use IAM Roles Anywhere: the server gets temporary credentials for its certificate.",
    "https://docs.aws.amazon.com/rolesanywhere/latest/userguide/introduction.html",
)
_LAMBDA = _role(
    "AWS Lambda",
    "Give the function's execution role what it needs, then remove the key from the function's settings.",
    "https://docs.aws.amazon.com/lambda/latest/dg/lambda-intro-execution-role.html",
)
_ECS = _role(
    "Amazon ECS",
    "Give the task an IAM role, then remove the key from the task definition.",
    "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html",
)
_EKS = _role(
    "Amazon EKS",
    "Give the pod's service account a role with EKS Pod Identity, then remove the key from the pod.",
    "https://docs.aws.amazon.com/eks/latest/userguide/pod-identities.html",
)
_EC2 = _role(
    "Amazon EC2",
    "Give the instance an IAM role, then remove the key from the instance.",
    f"{_IAM_GUIDE}/id_roles_use_switch-role-ec2.html",
)
_CODECOMMIT = _role(
    "AWS CodeCommit",
    "Use git-remote-codecommit with a role, or with the credentials of IAM Identity Center.",
    "https://docs.aws.amazon.com/codecommit/latest/userguide/temporary-access.html",
)
_KEYSPACES = _role(
    "Amazon Keyspaces",
    "Use the SigV4 authentication plugin with a role; drivers without it can use service-specific credentials.",
    "https://docs.aws.amazon.com/keyspaces/latest/devguide/access.credentials.html",
)
_PERSON = _role(
    "a person's own access",
    "Sign in with IAM Identity Center: aws configure sso, then aws sso login.",
    "https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-sso.html",
)

# What names itself, in a user agent, a user's name or a key's description. A `-` is also where a CamelCase name parts.
_NAMED: tuple[tuple[re.Pattern[str], LeaveKeys], ...] = (
    (_words("git-hub-actions?|git-hub-(?:ci|runners?|workflows?|deploy(?:er)?)"), _oidc("GitHub Actions")),
    (_words("git-lab|git-lab-ci|git-lab-runner"), _oidc("GitLab CI/CD")),
    (_words("circle-ci"), _oidc("CircleCI")),
    (_words("bit-bucket|bit-bucket-pipelines?"), _oidc("Bitbucket Pipelines")),
    (_words("terraform-cloud|hcp-terraform|tfc"), _oidc("HCP Terraform")),
    (_words("build-kite"), _oidc("Buildkite")),
    (_words("azure-dev-ops|azure-pipelines?"), _oidc("Azure Pipelines")),
    (_words("jenkins"), _JENKINS),
    (_words("data-dog|snowflake|new-relic|dynatrace|splunk|sumo-logic|fivetran|databricks"), _VENDOR),
    (_words("cloud-health|cloudability|lacework|vanta|drata|third-party"), _VENDOR),
    (_words("ci|ci-cd"), _oidc("a CI/CD system")),
    (_words("on-prem|on-premises?|data-cent(?:er|re)|synology|veeam"), _ON_PREMISES),
)
_AGENTS = (
    *_NAMED,
    (re.compile(r"\bAWS_Lambda_"), _LAMBDA),
    (re.compile(r"\bAWS_ECS_"), _ECS),
)
_SERVICES = {"codecommit": _CODECOMMIT, "cassandra": _KEYSPACES}  # as IAM names the service of the last use
# A description says where a program runs in a phrase; a name such as ecs-deploy may be of what is managed.
_RUNS_ON = tuple(
    (re.compile(rf"\b(?:on|in|from|inside) (?:(?:an?|the|our|amazon|aws) )*(?:{places})\b", re.IGNORECASE), suggestion)
    for places, suggestion in (("lambda", _LAMBDA), ("ecs|fargate", _ECS), ("eks", _EKS), ("ec2", _EC2))
)
_SMTP_USER = re.compile(r"ses-smtp-user\b.*")  # as the SES console names the users that it creates
_FIRST_AND_LAST_NAME = re.compile(r"[a-z]{2,}[._][a-z]{2,}", re.IGNORECASE)
_ADDRESS = re.compile(r"(?<![\w.+-])([\w.+-]+)@[\w-]+(?:\.[\w-]+)+", re.ASCII)
_NO_PERSON = _words(
    "admins?|alerts?|api|apps?|aws|backups?|bots?|build|cron|data|db|deploy(?:er)?|dev|dev-ops|finance|info|it|jobs?|mail|"
    "contact|hello|marketing|no-reply|office|ops|sales|platform|prod|root|s3|scripts?|security|server|service|smtp|stag(?:e|ing)|support|svc|system|team|test"
)
_CAMEL_CASE = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def suggest_alternative(  # noqa: PLR0913 - each is a kind of evidence, and all are named where it is called
    *,
    service: str | None,
    user_name: str,
    tags: Mapping[str, str] | Unknown,
    description: str | None,
    user_agents: Sequence[str],
    region: str | None,
) -> LeaveKeys | None:
    """Return what to use instead of an access key, None if its use is not known.

    The most certain evidence counts first: user agents, the service of the last use, then names and the description.
    Of the tags only an e-mail address counts, for who owns a key does not say what uses it.
    """
    by_agent = next((found for agent in user_agents if (found := _first(_AGENTS, agent))), None)
    if by_agent:
        return by_agent
    last_service = (service or "").lower()
    if last_service == "ses-smtp" or _SMTP_USER.fullmatch(user_name):
        return _smtp(region)
    if last_service in _SERVICES:
        return _SERVICES[last_service]
    words = description or ""
    by_words = _first(_NAMED, user_name) or _first(_NAMED, words) or _first(_RUNS_ON, words)
    if by_words:
        return by_words
    return _PERSON if _is_a_person(user_name, tags, user_agents) else None


def _first(rules: Sequence[tuple[re.Pattern[str], LeaveKeys]], text: str) -> LeaveKeys | None:
    parted = _CAMEL_CASE.sub("-", text)
    return next((suggestion for pattern, suggestion in rules if pattern.search(parted)), None)


def _smtp(region: str | None) -> LeaveKeys:
    # SMTP passwords are derived from a secret access key and the Region, and temporary credentials give none:
    # https://docs.aws.amazon.com/ses/latest/dg/smtp-credentials.html
    where = region if region and region != "N/A" else "the same Region"
    return {
        "use": "SMTP with Amazon SES",
        "instead": "Send through the SES API with a role. Where only SMTP will do, create new SMTP credentials in SES"
        f" for {where}: the SMTP password is derived from the secret access key and the Region.",
        "url": "https://docs.aws.amazon.com/ses/latest/dg/smtp-credentials.html",
    }


def _is_a_person(user_name: str, tags: Mapping[str, str] | Unknown, user_agents: Sequence[str]) -> bool:
    """Return whether the name is an e-mail address, or two of: its owner's, first and last name, seen with the AWS CLI.

    One of them is not enough: payroll@example.com may own the program payroll, and "app.web" is nobody.
    """
    if _NO_PERSON.search(user_name.partition("@")[0]):
        return False
    of_owner = {} if isinstance(tags, str) else {name: tags[name] for name in tags if not is_own_tag(name)}
    addresses = _ADDRESS.finditer(" ".join(of_owner.values()))
    is_owner = any(address[1].lower() == user_name.lower() for address in addresses)
    has_first_and_last_name = _FIRST_AND_LAST_NAME.fullmatch(user_name) is not None
    uses_cli = any(agent.startswith("aws-cli") for agent in user_agents)
    return _ADDRESS.fullmatch(user_name) is not None or is_owner + has_first_and_last_name + uses_cli > 1
