"""`python -m localaws serve`: the local AWS stays up, for clients of the API and the AWS CLI."""

import time
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from chalicelib.deactivation_settings import WEEKDAYS
from chalicelib.outputs.sentences import counted
from chalicelib.scan_ids import keyed_id
from deploy.parameters import check_deactivation
from deploy.terminal import output_failure
from localaws.clients import CALLER_OF_THE_API, REGION, no_proxy_to_export
from localaws.commands.arguments import (
    read_account,
    read_faults,
    read_stack_parameters,
    warn_of_strangers,
    with_organization,
)
from localaws.commands.failures import (
    in_a_line,
    require_room,
    show_failure,
)
from localaws.environment import LocalAws
from localaws.scan_run import LocalAwsError

API_PORT = 8180  # of `make serve`


def serve(account_file: Path | None, port: int, api_port: int, faults: str, parameters: str = "") -> int:
    """Stay up until Ctrl-C; return the exit status."""
    console = Console(highlight=False, soft_wrap=True)
    account, going_wrong = read_account(account_file), read_faults(faults)
    given = with_organization(account, read_stack_parameters(parameters))
    warn_of_strangers(console, going_wrong, account)
    try:
        require_room()
        with LocalAws(account, port, api_port, given) as aws:
            aws.inject(going_wrong)
            _show_serving(console, aws)
            if account_file is None and deactivates_at_once(given):
                console.print(f"{_HOW_TO_DEACTIVATE}\n\n{deactivation_calls()}", markup=False)
            while not output_failure():
                time.sleep(0.5)  # signal.pause() sleeps on where another thread takes the signal
    except (LocalAwsError, OSError) as error:
        return show_failure(in_a_line(error))
    except KeyboardInterrupt:
        console.print("\nStopped.")
    return 0


_OF_THE_DEMO = '{"users": ["pubudu"], "wait_seconds": 25}'


def example_calls(api_url: str, body: str = _OF_THE_DEMO) -> str:
    """Return two commands that call a REST API of the local AWS: a scan by a request's body, and the list of scans."""
    key_id, secret = CALLER_OF_THE_API
    return (
        f"curl -X POST {api_url}/scan \\\n"
        f"  --aws-sigv4 aws:amz:{REGION}:execute-api --user {key_id}:{secret} \\\n"
        "  -H 'Content-Type: application/json' \\\n"
        f"  -d '{body}'\n"
        f".venv/bin/awscurl --region {REGION} \\\n"
        f"  --access_key {key_id} --secret_key {secret} {api_url}/scan"
    )


# Of the demo account, whose keys have the same ids each time; the header makes the id of the scan known, too.
_IDEMPOTENCY_KEY, _KEY_OF_THE_DEMO = "first-plan", "AKIAV7BUXDWKBKZL6MDR"
_HOW_TO_DEACTIVATE = "To take a key from the plan to Inactive and back (docs/deactivation.md):"


def deactivates_at_once(parameters: Mapping[str, str]) -> bool:
    """Return whether a key can be approved right after the first scan, on whatever day that is."""
    settings = check_deactivation(parameters)
    if settings is None or settings.mode != "apply" or not settings.needs_approval or settings.tagged_only:
        return False
    return not settings.after_days and settings.user_path == "/" and settings.weekdays == WEEKDAYS


def deactivation_calls() -> str:
    """Return three commands that take a key of the demo account from the plan to Inactive and back."""
    awscurl = ".venv/bin/awscurl --service execute-api -X POST"
    as_json = "-H 'Content-Type: application/json'"
    action_id = f"123456789012-{_KEY_OF_THE_DEMO}-1"
    return (
        f'{awscurl} "${{ENDPOINT_URL}}scan" \\\n'
        f"  -H 'Idempotency-Key: {_IDEMPOTENCY_KEY}' {as_json} -d '{{\"wait_seconds\": 25}}'\n"
        f'{awscurl} "${{ENDPOINT_URL}}scan/{keyed_id(_IDEMPOTENCY_KEY)}/plan/approve" \\\n'
        f'  {as_json} -d \'{{"access_key_ids": ["{_KEY_OF_THE_DEMO}"]}}\'\n'
        f'{awscurl} "${{ENDPOINT_URL}}actions/{action_id}/undo"\n'
    )


def _show_serving(console: Console, aws: LocalAws) -> None:
    outputs, (key_id, secret) = aws.outputs(), CALLER_OF_THE_API
    accounts = aws.account.all_accounts()
    users = counted(sum(len(account.users) for account in accounts), "user")
    whose = f"{users} of {counted(len(accounts), 'account')}" if aws.account.accounts else users
    machine = outputs.get("OrganizationStateMachineArn")
    of_organization = f"export ORGANIZATION_STATE_MACHINE_ARN={machine}\n" if machine else ""
    deactivates = outputs.get("DeactivationStateMachineArn")
    of_deactivation = f"export DEACTIVATION_STATE_MACHINE_ARN={deactivates}\n" if deactivates else ""
    console.print(
        f"iam-key-age is up with {whose}; Ctrl-C ends it. In another terminal:\n\n"
        f"export AWS_ENDPOINT_URL={aws.endpoint_url}\n"
        f"export AWS_ACCESS_KEY_ID={key_id} AWS_SECRET_ACCESS_KEY={secret} AWS_DEFAULT_REGION={REGION}\n"
        f"export REPORTS_BUCKET={outputs['ReportsBucket']}\n"
        f"export STATE_MACHINE_ARN={outputs['StateMachineArn']}\n"
        f"{of_organization}{of_deactivation}"
        f"export NOTIFICATIONS_TOPIC_ARN={outputs['NotificationsTopicArn']}\n"
        f"export MESSAGES_QUEUE_URL={aws.queue_url}\n"
        f"{_of_others(aws)}"
        f"export ENDPOINT_URL={aws.api_url}/\n"
        f"{no_proxy_to_export()}\n"
        f"{example_calls(aws.api_url, '{}' if machine else _OF_THE_DEMO)}\n"
        f"aws sqs receive-message --endpoint-url {aws.endpoint_url} --queue-url {aws.queue_url}\n",
        markup=False,
    )


def _of_others(aws: LocalAws) -> str:
    """Return the exports of the queues that get what is sent to others than the topic."""
    urls = aws.receivers.queue_urls()
    named = {name: urls[name] for name in ("mails", "notices", "events") if name in urls}
    return "".join(f"export {name.upper()}_QUEUE_URL={url}\n" for name, url in named.items())
