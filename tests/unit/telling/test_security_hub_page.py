"""docs/security-hub.md: its commands, its fields and its errors are those of the code."""

import re
import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import awscli
import pytest
from awscli.clidriver import create_clidriver

from chalicelib.aws.errors import SecurityHubUnavailableError
from chalicelib.aws.security_hub import FindingsRefusedError, SecurityHubNotEnabledError
from chalicelib.documents import InvalidEvidenceError
from tests.support.reports import key, user
from tests.support.security_hub import Stage

PAGE = (Path(__file__).parents[3] / "docs" / "security-hub.md").read_text()
COMMANDS = re.findall(r"^ +aws (securityhub .+)$", PAGE, re.MULTILINE)
EXEMPT = {"iam-key-age:exempt-until": "2027-03-01", "iam-key-age:exempt-reason": "CHG-1", "owner": "web@example.com"}


def called(command: str, monkeypatch: pytest.MonkeyPatch) -> tuple[str, dict[str, Any]]:
    """The operation that the AWS CLI would call for a command, and with what."""
    for name, value in {"ACCESS_KEY_ID": "AKIAX", "SECRET_ACCESS_KEY": "y", "DEFAULT_REGION": "eu-west-1"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    # As its import sets it, which another test of this process may have taken away since.
    monkeypatch.setenv("AWS_DATA_PATH", str(Path(awscli.__file__).parent / "data"))
    calls: list[tuple[str, dict[str, Any]]] = []
    driver = create_clidriver()

    def answer(model: Any, params: dict[str, Any], **_: Any) -> Any:
        calls.append((model.name, params))
        return SimpleNamespace(status_code=200), {}

    driver.session.register("before-call.securityhub", answer)
    assert driver.main(shlex.split(command)) == 0
    return calls[0]


def test_the_security_hub_commands_of_the_docs_are_what_its_api_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    operations = [called(command, monkeypatch)[0] for command in COMMANDS]

    assert operations == [
        *("EnableSecurityHub", "GetFindings", "GetFindings", "BatchUpdateFindings", "UpdateFindings"),
    ]


def test_each_field_that_the_page_names_is_sent_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(monkeypatch)
    leaked, too_long = {"quarantined_by": "AWSCompromisedKeyQuarantineV3"}, {"iam-key-age:exempt-until": "2036-03-01"}
    stage.keep_organization(
        {
            "111122223333": [
                user("a", key("AKIA1", 200, used=1), tags=EXEMPT),
                user("b", key("AKIA2", 200, used=1), tags=EXEMPT | too_long, **leaked),
            ]
        }
    )
    stage.send()
    sent = {name for finding in stage.hub.findings.values() for name in finding["ProductFields"]}

    named = PAGE.partition("`ProductFields` are for rules")[2].partition("\n- ")[0].partition("the name: ")[2]

    assert {f"iam-key-age/{name}" for name in re.findall(r"`([a-z-]+)`", named)} == sent


@pytest.mark.parametrize(
    "error", [SecurityHubNotEnabledError, SecurityHubUnavailableError, FindingsRefusedError, InvalidEvidenceError]
)
def test_each_error_is_on_the_page(error: type[Exception]) -> None:
    assert f"| `{error.__name__}` |" in PAGE
