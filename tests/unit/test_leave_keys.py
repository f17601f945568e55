"""What to use instead of an access key, by what is known of its use, and what is not evidence."""

from typing import Any

import pytest

from chalicelib.evaluation.leave_keys import suggest_alternative

NOTHING: dict[str, Any] = {
    "service": None,
    "user_name": "zed",
    "tags": {},
    "description": None,
    "user_agents": [],
    "region": None,
}


def use(**known: Any) -> str | None:
    suggestion = suggest_alternative(**{**NOTHING, **known})
    return suggestion["use"] if suggestion else None


@pytest.mark.parametrize(
    ("known", "seems_to_be"),
    [
        ({"user_agents": ["Boto3", "GitHub Actions"]}, "GitHub Actions"),
        ({"user_agents": ["configure-aws-credentials-for-github-actions"]}, "GitHub Actions"),
        ({"user_agents": ["Jenkins"]}, "Jenkins"),
        ({"user_agents": ["Datadog"]}, "access by a third party"),
        ({"user_agents": ["Boto3 on AWS_Lambda_python3.12"]}, "AWS Lambda"),
        ({"user_agents": ["aws-sdk-java/2 on AWS_ECS_FARGATE"]}, "Amazon ECS"),
        ({"user_agents": ["Boto3 on AWS_Lambda_python3.12"], "user_name": "jenkins"}, "AWS Lambda"),
        ({"user_agents": ["Boto3 on AWS_ECS_EC2"], "service": "codecommit"}, "Amazon ECS"),
        ({"service": "ses-smtp"}, "SMTP with Amazon SES"),
        ({"service": "SES-SMTP"}, "SMTP with Amazon SES"),
        ({"service": "ses-smtp", "user_name": "jenkins"}, "SMTP with Amazon SES"),
        ({"user_name": "ses-smtp-user.20240229-070321"}, "SMTP with Amazon SES"),
        ({"service": "codecommit", "user_name": "alice"}, "AWS CodeCommit"),
        ({"service": "cassandra"}, "Amazon Keyspaces"),
        ({"description": "Nightly export, runs on an EC2 instance"}, "Amazon EC2"),
        ({"description": "used in our AWS Lambda thumbnailer"}, "AWS Lambda"),
        ({"description": "from EKS"}, "Amazon EKS"),
        ({"description": "GitLab runner"}, "GitLab CI/CD"),
        ({"description": "On-premises backup"}, "a workload outside AWS"),
    ],
)
def test_the_most_certain_evidence_comes_first(known: dict[str, Any], seems_to_be: str) -> None:
    assert use(**known) == seems_to_be


@pytest.mark.parametrize(
    ("user_name", "seems_to_be"),
    [
        ("github-actions", "GitHub Actions"),
        ("GitHubActions", "GitHub Actions"),
        ("svc_github_actions_prod", "GitHub Actions"),
        ("github-deploy", "GitHub Actions"),
        ("gitlab-ci", "GitLab CI/CD"),
        ("circleci", "CircleCI"),
        ("bitbucket-pipelines", "Bitbucket Pipelines"),
        ("terraform-cloud", "HCP Terraform"),
        ("AzureDevOps", "Azure Pipelines"),
        ("buildkite", "Buildkite"),
        ("JenkinsDeploy", "Jenkins"),
        ("ci-deploy", "a CI/CD system"),
        ("deploy-ci", "a CI/CD system"),
        ("deploy.cicd", "a CI/CD system"),
        ("DatadogIntegration", "access by a third party"),
        ("snowflake_loader", "access by a third party"),
        ("newrelic", "access by a third party"),
        ("veeam-backup", "a workload outside AWS"),
        ("onprem-sync", "a workload outside AWS"),
        ("datacenter-2", "a workload outside AWS"),
    ],
)
def test_a_name_may_say_what_uses_the_key(user_name: str, seems_to_be: str) -> None:
    assert use(user_name=user_name) == seems_to_be


@pytest.mark.parametrize(
    "user_name",
    [
        "francine",
        "cicero",
        "luci",
        "precision",
        "jenkinson",
        "advantage",
        "hydrata",
        "vantablack",
        "ecs-deploy",
        "ec2-starter",
        "lambda-admin",
        "terraform",
        "ghana",
        "app.web",
        "github",
        "ses",
    ],
)
def test_a_name_that_only_looks_like_it_says_nothing(user_name: str) -> None:
    assert use(user_name=user_name) is None


@pytest.mark.parametrize(
    "known",
    [
        {},
        {"tags": "unknown"},
        {"service": "ses"},
        {"service": "s3", "region": "eu-central-1"},
        {"service": "N/A", "region": "N/A"},
        {"user_agents": ["terraform"]},
        {"user_agents": ["aws-cli/2"]},
        {"user_agents": ["aws-cli/2 on CloudShell"]},
        {"tags": {"owner": "jenkins-admins@example.com", "AKIAOTHERKEY": "for Datadog"}},
        {"description": "manages ec2"},
    ],
)
def test_nothing_is_suggested_where_the_use_is_not_known(known: dict[str, Any]) -> None:
    assert use(**known) is None


@pytest.mark.parametrize(
    ("user_name", "owner", "user_agents", "person"),
    [
        ("jane.doe@example.com", "", [], True),
        ("jane.doe@mail.example.com", "", [], True),
        ("jane.doe", "Jane <jane.doe@example.com>", [], True),
        ("jane.doe", "platform@example.com", ["aws-cli/2"], True),
        ("Jane_Doe", "", ["Boto3", "aws-cli/1"], True),
        ("jane", "jane@example.com", ["aws-cli/2"], True),
        ("jane.doe", "platform@example.com", ["Boto3"], False),
        ("payroll", "payroll@example.com", ["Boto3"], False),
        ("backup.prod", "", ["aws-cli/2"], False),
        ("svc.reports", "svc.reports@example.com", ["aws-cli/2"], False),
        ("alerts@example.com", "", ["aws-cli/2"], False),
        ("reports", "", ["aws-cli/2"], False),
    ],
)
def test_a_person_is_told_by_an_address_or_by_two_signs(
    user_name: str, owner: str, user_agents: list[str], person: bool
) -> None:
    found = use(user_name=user_name, tags={"owner": owner}, user_agents=user_agents)

    assert found == ("a person's own access" if person else None)


@pytest.mark.parametrize("name", ["iam-key-age:never-deactivate", "iam-key-age:exempt-reason"])
def test_an_address_in_a_tag_of_this_product_is_not_its_owners(name: str) -> None:
    assert use(user_name="jane.doe", tags={name: "ask jane.doe@example.com"}) is None


@pytest.mark.parametrize(
    ("region", "where"), [("eu-west-1", "eu-west-1"), ("N/A", "the same Region"), (None, "the same Region")]
)
def test_new_smtp_credentials_are_for_the_region_of_the_last_use(region: str | None, where: str) -> None:
    suggestion = suggest_alternative(**{**NOTHING, "service": "ses-smtp", "region": region})

    assert suggestion
    assert f"SMTP credentials in SES for {where}: " in suggestion["instead"]


@pytest.mark.parametrize(
    "known",
    [
        {"service": "ses-smtp"},
        {"service": "codecommit"},
        {"service": "cassandra"},
        *({"user_name": name} for name in ("ci", "jenkins", "datadog", "on-prem", "jane.doe@example.com")),
        *({"description": f"on {where}"} for where in ("EC2", "ECS", "EKS", "Lambda")),
    ],
)
def test_each_suggestion_is_a_sentence_and_a_page_of_aws(known: dict[str, Any]) -> None:
    suggestion = suggest_alternative(**{**NOTHING, **known})

    assert suggestion
    assert suggestion["url"].startswith("https://docs.aws.amazon.com/")
    assert suggestion["instead"].endswith(".")
    assert "\n" not in suggestion["instead"]
