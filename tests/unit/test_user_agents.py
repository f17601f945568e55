"""Real user agents of CloudTrail, and what is left of them."""

import pytest

from chalicelib.evaluation.user_agents import shorten_user_agent


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("aws-cli/1.11.10 Python/2.7.8 Linux/3.2.45-0.6.wd.865.49.315.metal1.x86_64 botocore/1.4.67", "aws-cli/1"),
        ("[aws-cli/2.18.5]", "aws-cli/2"),
        (
            (
                "[aws-cli/2.12.0 Python/3.11.4 Linux/6.3.0-kali1-cloud-amd64 source/x86_64.kali.2023 prompt/off "
                "command/s3.cp]"
            ),
            "aws-cli/2",
        ),
        (
            (
                "aws-cli/2.15.22 md/Botocore#1.34.43 ua/2.0 os/macosx#14.3.1 md/arch#arm64 lang/python#3.11.8 "
                "md/pyimpl#CPython"
            ),
            "aws-cli/2",
        ),
        (
            "aws-cli/1.20.0 Python/3.9.6 Linux/4.14.225-168.357.amzn2.x86_64 exec-env/AWS_ECS_FARGATE botocore/1.21.0",
            "aws-cli/1 on AWS_ECS_FARGATE",
        ),
        ("aws-cli/2.13.9 Python/3.11.4 Linux/6.1.41 exec-env/CloudShell exe/x86_64.amzn.2", "aws-cli/2 on CloudShell"),
        (
            (
                "Boto3/1.34.46 md/Botocore#1.34.46 ua/2.0 os/linux#6.8.0-52-generic md/arch#x86_64 lang/python#3.12.3 "
                "md/pyimpl#CPython cfg/retry-mode#legacy Botocore/1.34.46"
            ),
            "Boto3",
        ),
        (
            (
                "Boto3/1.10.2 Python/3.8.0 Linux/4.14.138-99.102.amzn2.x86_64 exec-env/AWS_Lambda_python3.8 "
                "Botocore/1.13.2 Botocore/1.31.49"
            ),
            "Boto3 on AWS_Lambda_python3.8",
        ),
        (
            "aws-sdk-nodejs/2.1363.0 linux/v16.20.2 exec-env/AWS_ECS_FARGATE promise",
            "aws-sdk-nodejs/2 on AWS_ECS_FARGATE",
        ),
        ("aws-sdk-go/1.44.0 (go1.20.3; linux; amd64)", "aws-sdk-go/1"),
        (
            "aws-sdk-go-v2/1.14.0 os/macos lang/go/1.17.6 md/GOOS/darwin md/GOARCH/arm64 api/iam/1.17.0",
            "aws-sdk-go-v2/1",
        ),
        (
            "aws-sdk-go-v2/1.32.3 os/linux lang/go#1.23.1 exec-env/grimoire_095724e3-1fa0-4e3e-b68a-e8581d194380",
            "aws-sdk-go-v2/1",
        ),
        ("aws-sdk-java/2.20.43 Linux/5.10 OpenJDK_64-Bit_Server_VM/17.0.6 Java/17.0.6 vendor/Amazon", "aws-sdk-java/2"),
        (
            (
                "APN/1.0 HashiCorp/1.0 Terraform/1.5.6 (+https://www.terraform.io) terraform-provider-aws/4.67.0 "
                "(+https://registry.terraform.io/providers/hashicorp/aws) aws-sdk-go/1.44.261 (go1.19.8; freebsd)"
            ),
            "terraform",
        ),
        ("aws-sdk-go/1.20.4 (go1.12.5; darwin; amd64) APN/1.0 HashiCorp/1.0 Terraform/0.12.2", "terraform"),
        ("[APN/1.0 HashiCorp/1.0 Packer/1.9.1 (+https://www.packer.io/)]", "packer"),
        ("APN/1.0 Ansible/2.15.0 community.aws/12.0.0-dev0", "ansible"),
        ("aws-sdk-nodejs/2.1000.0 linux/v16 configure-aws-credentials-for-github-actions promise", "GitHub Actions"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:109.0) Gecko/20100101 Firefox/119.0", "browser"),
        ("[Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0]", "browser"),
        (
            (
                "[S3Console/0.4, aws-internal/3 aws-sdk-java/1.12.488 Linux/5.10.197-164.748.amzn2int.x86_64 "
                "OpenJDK_64-Bit_Server_VM/25.372-b08 java/1.8.0_372 vendor/Oracle_Corporation cfg/retry-mode/standard]"
            ),
            "S3Console",
        ),
        ("aws-internal/3 aws-sdk-java/1.12.488", "AWS Internal"),
        ("AWS Internal", "AWS Internal"),
        ("cloudformation.amazonaws.com", "cloudformation.amazonaws.com"),
        ("console.amazonaws.com", "console.amazonaws.com"),
        ("signin.amazonaws.com", "signin.amazonaws.com"),
        ("[python-requests/2.31.0]", "python-requests"),
        ("[curl/7.81.0]", "curl"),
        ("Jenkins", "Jenkins"),
        ("AWSPowerShell.Common/4.1.14 .NET_Core/6.0.4 OS/Darwin", "AWSPowerShell.Common"),
        ("[stratus-red-team_c4daf3d6-a06f-48c0-9bec-46e00868de7b]", "stratus-red-team_c4daf3d6-a06f-48c0-9bec"),
    ],
)
def test_a_user_agent_is_cut_down_to_the_program_and_where_it_runs(text: str, short: str) -> None:
    assert shorten_user_agent(text) == short


@pytest.mark.parametrize("text", ["", "   ", "[]", "[ ]", "\0\x1b", "()/;"])
def test_a_user_agent_that_names_nothing_is_unknown(text: str) -> None:
    assert shorten_user_agent(text) == "unknown"


@pytest.mark.parametrize("text", ["evil\x1b[2J\r\nX/1.0", "\u202eevil\u200b/1", "x" * 100_000, "a.amazonaws.com" * 99])
def test_no_control_character_and_no_long_text_is_left(text: str) -> None:
    short = shorten_user_agent(text)

    assert short.isprintable()
    assert 0 < len(short) <= 40
