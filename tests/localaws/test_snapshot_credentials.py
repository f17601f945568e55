"""How a snapshot comes by its credentials: the MFA prompt, and what is said if there are none that AWS takes."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import pytest

from deploy.sessions import user_session
from localaws.accounts.aws_errors import Caller, describe
from localaws.environment import PROJECT
from tests.support.fake_aws import MFA, FakeAws, error, without
from tests.support.prompting import Shown, in_a_terminal

PROMPT = f"Enter MFA code for {MFA}: "
CONFIG = f"""
[profile base]
aws_access_key_id = AKIAX
aws_secret_access_key = y
[profile mfa]
role_arn = arn:aws:iam::111122223333:role/audit
source_profile = base
mfa_serial = {MFA}
[profile "my team"]
role_arn = arn:aws:iam::111122223333:role/audit
source_profile = base
mfa_serial = {MFA}
[profile no-source]
role_arn = arn:aws:iam::111122223333:role/audit
source_profile = gone
[profile loop]
role_arn = arn:aws:iam::111122223333:role/audit
source_profile = pool
[profile pool]
role_arn = arn:aws:iam::111122223333:role/audit
source_profile = loop
[profile half]
aws_access_key_id = AKIAX
[profile empty]
region = eu-west-1
[profile process-gone]
credential_process = /no/such/program
[profile process-fails]
credential_process = sh -c "echo one >&2; echo two >&2; exit 3"
[profile process-odd]
credential_process = echo no JSON
[profile process-over]
credential_process = echo '{{"Version": 1, "AccessKeyId": "A", "SecretAccessKey": "b", "SessionToken": "c", "Expiration": "2020-01-01T00:00:00Z"}}'
[profile token-gone]
role_arn = arn:aws:iam::111122223333:role/audit
web_identity_token_file = /no/such/token
[profile odd-region]
aws_access_key_id = AKIAX
aws_secret_access_key = y
region = us east
[profile sso]
sso_session = corp
sso_account_id = 111122223333
sso_role_name = audit
[sso-session corp]
sso_region = us-east-1
sso_start_url = https://example.awsapps.com/start
"""  # noqa: E501  # AWS takes a process on one line


@dataclass(frozen=True)
class Person:
    """Somebody with profiles and a home, to whom AWS is a fake one."""

    aws: FakeAws
    home: Path
    settings: dict[str, str]

    def command(self, *options: str) -> list[str]:
        return [sys.executable, "-m", "localaws", "snapshot", "--out", str(self.home / "account.json"), *options]

    def at_a_terminal(self, *answers: bytes) -> Shown:
        return in_a_terminal(self.command("--profile", "mfa"), PROJECT, self.settings, PROMPT, answers)

    def logs_in_by_the_aws_cli(self) -> Shown:
        cli = [sys.executable, "-m", "awscli", "sts", "get-caller-identity", "--profile", "mfa"]
        return in_a_terminal([*cli, "--region", "us-east-1"], PROJECT, self.settings, PROMPT, [b"123456\n"])

    def without_a_terminal(
        self, profile: str, more: Mapping[str, str] = MappingProxyType({}), *, stdin: int = subprocess.DEVNULL
    ) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            self.command("--profile", profile),
            cwd=PROJECT,
            env={**self.settings, **more},
            stdin=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            start_new_session=True,
            check=False,
        )


@pytest.fixture
def person(tmp_path: Path) -> Iterator[Person]:
    (tmp_path / "config").write_text(CONFIG)
    others = without(["AWS_", "HTTP", "http"], dict(os.environ))
    with FakeAws() as aws:
        settings = {
            "HOME": str(tmp_path),
            "AWS_CONFIG_FILE": str(tmp_path / "config"),
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL": aws.url,
            "NO_PROXY": "127.0.0.1",
            "TERM": "xterm-256color",
            "COLUMNS": "80",
        }
        yield Person(aws, tmp_path, {**others, **settings})


def test_an_mfa_prompt_stands_alone_until_it_is_answered(person: Person) -> None:
    shown = person.at_a_terminal(b"123456\n")

    assert shown.before == [PROMPT]
    assert shown.status == 0, shown.after
    assert "123456" not in shown.after
    assert shown.after.startswith("\r\n")  # the bar begins on a line of its own
    assert "1/1" in shown.after
    assert f"Kept 1 user in {person.home}/account.json" in shown.after
    [assumed] = [call for call in person.aws.calls if call["Action"] == "AssumeRole"]
    assert (assumed["SerialNumber"], assumed["TokenCode"]) == (MFA, "123456")


def test_a_code_may_be_typed_as_apps_show_it(person: Person) -> None:
    shown = person.at_a_terminal(b" 123 456 \n")

    assert shown.status == 0, shown.after
    assert [call["TokenCode"] for call in person.aws.calls if call["Action"] == "AssumeRole"] == ["123456"]


@pytest.mark.parametrize(
    ("answer", "status", "says"),
    [
        (b"\x04", 1, "profile mfa wants an MFA code: none was entered."),
        (b"\n", 1, "profile mfa wants an MFA code: none was entered."),
        (b"12345\n", 1, "profile mfa wants an MFA code: what was entered is not six digits."),
        (b"abcdef\n", 1, "profile mfa wants an MFA code: what was entered is not six digits."),
        ("١٢٣٤٥٦\n".encode(), 1, "profile mfa wants an MFA code: what was entered is not six digits."),
        (b"\x03", 130, "stopped"),
    ],
)
def test_a_prompt_that_is_left_or_answered_otherwise_ends_in_one_line(
    person: Person, answer: bytes, status: int, says: str
) -> None:
    shown = person.at_a_terminal(answer)

    assert shown.before == [PROMPT]
    assert shown.status == status
    assert shown.after.startswith("\r\n")  # what is said stands on a line of its own
    [line] = [line for line in shown.after.splitlines() if line]
    assert f"localaws: {says}" in line
    assert not person.aws.called("AssumeRole")


def test_a_code_that_aws_refuses_is_said_with_what_to_do(person: Person) -> None:
    person.aws.answers["AssumeRole"] = error(
        "AccessDenied", "MultiFactorAuthentication failed with invalid MFA one time pass code. "
    )

    shown = person.at_a_terminal(b"123456\n")

    assert shown.status == 1
    assert (
        "localaws: AccessDenied: MultiFactorAuthentication failed with invalid MFA one time pass code. "
        "AWS takes each code once: run this again with the next one." in shown.after
    )
    assert "Traceback" not in shown.after
    assert "--print-policy" not in shown.after


def test_the_prompt_comes_to_the_terminal_while_standard_input_is_a_file(person: Person) -> None:
    script = ["/bin/sh", "-c", 'exec "$@" </dev/null', "sh", *person.command("--profile", "mfa")]

    shown = in_a_terminal(script, PROJECT, person.settings, PROMPT, [b"123456\n"])

    assert (shown.before, shown.status) == ([PROMPT], 0)


@pytest.mark.parametrize("profile", ["mfa", "my team"])
@pytest.mark.parametrize("stdin", [subprocess.DEVNULL, subprocess.PIPE], ids=["no input", "a pipe"])
def test_without_a_terminal_one_line_says_how_to_come_by_a_session(person: Person, stdin: int, profile: str) -> None:
    done = person.without_a_terminal(profile, stdin=stdin)

    assert done.returncode == 1
    quoted = {"mfa": "mfa", "my team": "'my team'"}[profile]
    assert done.stderr == (
        f"localaws: profile {profile} wants an MFA code, and there is no terminal to ask at: run aws sts "
        f"get-caller-identity --profile {quoted} in a terminal first, whose session is then used here, too, or export "
        f"a session's credentials (aws configure export-credentials --profile {quoted} --format env).\n"
    )
    assert person.aws.calls == []


def test_without_standard_input_the_line_is_the_same(person: Person) -> None:
    script = ["/bin/sh", "-c", 'exec "$@" <&-', "sh", *person.command("--profile", "mfa")]

    done = subprocess.run(
        script, cwd=PROJECT, env=person.settings, capture_output=True, text=True, start_new_session=True, check=False
    )

    assert done.returncode == 1
    assert "there is no terminal to ask at" in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_session_that_the_aws_cli_has_is_used_without_another_prompt(person: Person) -> None:
    asked = person.logs_in_by_the_aws_cli()

    done = person.without_a_terminal("mfa")

    assert asked.status == 0, asked.after
    assert done.returncode == 0, done.stderr
    assert person.aws.called("AssumeRole") == 1


def test_a_session_of_another_endpoint_is_not_left_to_the_aws_cli(person: Person) -> None:
    shown = person.at_a_terminal(b"123456\n")

    assert shown.status == 0
    assert not (person.home / ".aws").exists()


def test_a_session_of_aws_itself_is_left_to_the_aws_cli(person: Person) -> None:
    script = (
        "from deploy.sessions import user_session\n"
        "resolver = user_session('mfa')._session.get_component('credential_provider')\n"
        "resolver.get_provider('assume-role').cache['key'] = {'Credentials': {}}\n"
    )

    subprocess.run([sys.executable, "-c", script], cwd=PROJECT, env=without(["AWS_END"], person.settings), check=True)

    assert json.loads((person.home / ".aws" / "cli" / "cache" / "key.json").read_text()) == {"Credentials": {}}


@pytest.mark.parametrize("broken", ["", "[]", '{"Credentials": null}', '{"Credentials": {"Expiration": ""}}'])
def test_a_broken_session_in_the_cache_is_asked_for_anew(person: Person, broken: str) -> None:
    person.logs_in_by_the_aws_cli()
    [cached] = (person.home / ".aws" / "cli" / "cache").glob("*.json")
    cached.write_text(broken)

    shown = person.at_a_terminal(b"654321\n")

    assert (shown.before, shown.status) == ([PROMPT], 0), shown.after
    assert person.aws.called("AssumeRole") == 2


@pytest.mark.parametrize(
    ("profile", "says"),
    [
        ("nobody", "The config profile (nobody) could not be found. Log in, or name a profile of your AWS"),
        ("", "The config profile () could not be found."),
        ("empty", "Unable to locate credentials. Log in, or name a profile"),
        ("half", "Partial credentials found in config-file, missing: aws_secret_access_key. Check profile half in"),
        ("no-source", 'The source_profile "gone" referenced in the profile "no-source" does not exist. Check profile'),
        ("loop", "Infinite loop in credential configuration detected."),
        ("process-gone", "FileNotFoundError: [Errno 2] No such file or directory: '/no/such/program'. Check profile"),
        (
            "process-fails",
            "Error when retrieving credentials from custom-process: one two. Check profile process-fails",
        ),
        ("process-odd", "JSONDecodeError: Expecting value: line 1 column 1 (char 0). Check profile process-odd in"),
        ("process-over", "the refreshed credentials are still expired. Check profile process-over in"),
        ("token-gone", "No such file or directory: '/no/such/token'. Check profile token-gone in"),
        ("odd-region", "Provided region_name 'us east' doesn't match a supported format. Check profile odd-region in"),
        ("sso", "Error loading SSO Token: Token for corp does not exist. Log in again (aws sso login --profile sso)."),
    ],
)
def test_credentials_that_cannot_be_had_are_one_line_that_says_what_to_do(
    person: Person, profile: str, says: str
) -> None:
    done = person.without_a_terminal(profile)

    assert done.returncode == 1
    assert says in done.stderr
    assert done.stderr.startswith("localaws: ")
    assert done.stderr.count("\n") == 1
    assert done.stderr.endswith(".\n")
    assert not done.stderr.endswith("..\n")
    assert not (person.home / "account.json").exists()


REGIONS = ("AWS_REGION=us-gov-west-1", "AWS_REGION=cn-north-1", "in an opt-in Region try AWS_REGION=us-east-1")


@pytest.mark.parametrize(
    ("code", "message", "region", "says"),
    [
        ("InvalidClientTokenId", "The security token included in the request is invalid.", None, REGIONS),
        ("InvalidClientTokenId", "The security token included in the request is invalid", "eu-south-2", REGIONS),
        ("UnrecognizedClientException", "The token is invalid.", "us-gov-west-1", REGIONS),
        ("ExpiredToken", "The security token included in the request is expired", None, ("Log in again",)),
        ("SignatureDoesNotMatch", "It does not match. Check your key.", "eu-west-1", ("this machine's clock",)),
    ],
)
def test_credentials_that_aws_does_not_take_are_said_with_the_region_that_was_called(
    person: Person,
    code: str,
    message: str,
    region: str | None,
    says: tuple[str, ...],
) -> None:
    person.aws.answers["GetCallerIdentity"] = error(code, message)

    done = person.without_a_terminal("base", {"AWS_REGION": region} if region else {})

    assert done.returncode == 1
    assert done.stderr.startswith(f"localaws: {code}: {message.rstrip('.')}. Called in {region or 'us-east-1'}. ")
    for words in says:
        assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert ".." not in done.stderr
    assert f"/{region or 'us-east-1'}/sts/" in person.aws.calls[0]["credential"]


def test_a_session_that_ends_while_users_are_read_says_the_same(person: Person) -> None:
    person.aws.answers["GetAccessKeyLastUsed"] = error(
        "ExpiredToken", "The security token included in the request is expired"
    )

    done = person.without_a_terminal("base")

    assert done.returncode == 1
    assert "is expired. Called in us-east-1. Log in again" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (person.home / "account.json").exists()


CANNOT_CONNECT = (
    'Could not connect to the endpoint URL: "http://127.0.0.1:9/". '
    "Check the network, whether a proxy is needed (HTTPS_PROXY) and the Region (us-east-1)."
)
DEAD_PROXY = (
    'Failed to connect to proxy URL: "http://***:***@127.0.0.1:9". '
    "Check the network, the proxy (HTTP_PROXY) and the Region (us-east-1)."
)
INVALID_ENDPOINT = (
    "the AWS configuration does not work here: ValueError: Invalid endpoint: aws. "
    "Check profile base in your AWS configuration."
)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, CANNOT_CONNECT),
        ({"AWS_ENDPOINT_URL": "http://aws.invalid", "HTTP_PROXY": "http://me:secret@127.0.0.1:9"}, DEAD_PROXY),
        ({"AWS_ENDPOINT_URL": "aws"}, INVALID_ENDPOINT),
    ],
)
def test_what_cannot_be_reached_is_said_and_nobody_is_told_to_log_in(
    person: Person, more: dict[str, str], says: str
) -> None:
    done = person.without_a_terminal("base", more)

    assert (done.returncode, done.stderr) == (1, f"localaws: {says}\n")


def test_an_answer_that_is_not_of_aws_is_said(person: Person) -> None:
    person.aws.answers["GetCallerIdentity"] = (200, "<html><body>Log in to the\nnetwork<br></body>")

    done = person.without_a_terminal("base")

    assert done.returncode == 1
    assert done.stderr.startswith(
        "localaws: This is not how AWS answers: the answer to GetCallerIdentity cannot be read"
    )
    assert "a proxy, the network." in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_region_is_that_of_aws_region_then_of_the_profile(monkeypatch: pytest.MonkeyPatch, person: Person) -> None:
    for name, value in person.settings.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)

    regions = [user_session(profile).region_name for profile in ("empty", "base")]
    monkeypatch.setenv("AWS_REGION", "cn-north-1")

    assert [*regions, user_session("empty").region_name] == ["eu-west-1", None, "cn-north-1"]


@pytest.mark.parametrize("text", ["ends", "ends.", "ends..", "ends. ", "two\nlines\x1b[31m.\n"])
def test_a_message_is_one_line_and_ends_in_one_full_stop(text: str) -> None:
    said = describe(OSError(text), Caller("dev", "us-east-1"))

    assert said.isprintable()
    assert ".." not in said
    assert said.endswith(". Check profile dev in your AWS configuration.")
