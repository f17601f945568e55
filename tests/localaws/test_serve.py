"""`localaws serve` in a process of its own, used over HTTP as a client would."""

import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from localaws.commands.serve import API_PORT, example_calls
from localaws.environment import PROJECT
from tests.support.forked import localaws_command
from tests.support.organizations import member
from tests.support.serving import Served, made_serve, run, start

POLICY = {"as_of": "2026-11-22T08:00:00Z", "warn_days": 0}


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    running = start()
    yield running
    running.stop()


def test_a_scan_from_post_to_report_and_message(served: Served) -> None:
    response = served.post(POLICY)

    assert response.status_code == 202
    started = response.json()
    assert re.fullmatch(r"adhoc-\d{4}-\d\d-\d\dT\d{6}Z-[0-9a-f]{6}", started["scan_id"])
    assert started == {
        "scan_id": started["scan_id"],
        "execution_arn": f"arn:aws:states:us-east-1:123456789012:execution:iam-key-age-local:{started['scan_id']}",
        "status": "RUNNING",
        "links": {"self": f"/scan/{started['scan_id']}"},
    }

    scan = served.wait_for(started["scan_id"])

    assert scan["status"] == "SUCCEEDED"
    assert scan["error"] is None
    assert scan["started_at"] <= scan["stopped_at"]
    assert scan["summary"]["complete"] is True
    assert scan["summary"]["coverage"]["users_listed"] == 250
    bucket, _, key = scan["reports"]["json"].removeprefix("s3://").partition("/")
    report = served.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read().decode()
    assert "AKIAIOSFODNN7EXAMPLE" in report
    [message] = served.client("sqs").receive_message(QueueUrl=served.settings["MESSAGES_QUEUE_URL"], WaitTimeSeconds=1)[
        "Messages"
    ]
    assert "wei.finance" in message["Body"]  # the most severe


def test_faults_happen_to_what_is_served() -> None:
    served = start("--faults", '{"iam": {"deny": ["pubudu"]}}')
    try:
        started = served.post({**POLICY, "users": ["pubudu"]}).json()
        scan = served.wait_for(started["scan_id"])
    finally:
        served.stop()

    assert scan["status"] == "SUCCEEDED"
    assert scan["summary"]["coverage"]["users_unchecked"] == 1


def test_an_empty_body_scans_by_the_stages_defaults(served: Served) -> None:
    started = served.post()

    assert started.status_code == 202
    assert served.wait_for(started.json()["scan_id"])["status"] == "SUCCEEDED"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("null", "scan policy: null"),
        ("[1]", "scan policy: [1]"),
        ("{", "well-formed JSON"),
        ('{"max_age_days": true}', "max_age_days: true is not accepted; it takes an integer from 1 to 3650"),
        ('{"max_age_days": 90.0}', "max_age_days: 90.0"),
        ('{"warn_days": 90}', "warn_days: 90 is not accepted; it takes an integer from 0 to 89"),
        ('{"max_age": 1}', 'unknown field: {"max_age": 1}'),
        ('{"as_of": "2026-11-22T08:00:00"}', "with a zone"),
        ('{"users": ["a", "a"]}', "users[1] (a duplicate)"),
        ('{"users": ["a b"]}', 'users[0]: "a b" is not accepted'),
        (json.dumps({"users": [f"user{number}" for number in range(101)]}), "users (101 of them)"),
        ("[" * 100_000, "well-formed JSON"),
    ],
)
def test_a_bad_policy_is_refused_with_a_reason(served: Served, body: str, says: str) -> None:
    response = served.post(body, Content_Type="application/json")

    assert response.status_code == 400
    assert response.json()["Code"] == "BadRequestError"
    assert says in response.json()["Message"]


@pytest.mark.parametrize(("content_type", "status"), [(None, 400), ("text/plain", 415)])
def test_a_body_that_does_not_say_that_it_is_json_is_refused(
    served: Served, content_type: str | None, status: int
) -> None:
    headers = {"Content_Type": content_type} if content_type else {}

    response = served.post(b'{"max_age_days": 30}', **headers)

    assert response.status_code == status
    assert "application/json" in response.text or "text/plain" in response.text


@pytest.mark.parametrize("scan_id", ["none", "%2e%2e%2f", "a" * 200, "%E2%98%83", "arn:aws:states", "a%20b", "*"])
def test_an_id_that_is_none_is_not_found(served: Served, scan_id: str) -> None:
    response = served.get(f"/{scan_id}")

    assert response.status_code == 404
    assert response.json() == {"Code": "NotFoundError", "Message": "scan_id: there is no scan of this id"}


def test_a_scan_that_failed_says_why(served: Served) -> None:
    arn = served.settings["STATE_MACHINE_ARN"]
    served.client("stepfunctions").start_execution(stateMachineArn=arn, name="bad", input='{"max_age_days": 0}')

    scan = served.wait_for("bad")

    assert scan["status"] == "FAILED"
    assert scan["summary"] is None
    assert scan["reports"] == {}
    assert scan["error"] == "InvalidPolicyError: max_age_days: 0 is not accepted; it takes an integer from 1 to 3650"


def test_a_scan_that_somebody_stopped_says_so_in_words(served: Served) -> None:
    started = served.post().json()
    served.client("stepfunctions").stop_execution(executionArn=started["execution_arn"])

    scan = served.wait_for(started["scan_id"])

    assert (scan["status"], scan["error"]) == ("ABORTED", "stopped before its end")
    assert (scan["summary"], scan["reports"]) == (None, {})


def test_make_deploy_deploys_what_then_scans_and_make_destroy_removes_it(served: Served) -> None:
    users = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment = {**users, **served.settings, "AWS_REGION": served.settings["AWS_DEFAULT_REGION"]}
    del environment["AWS_DEFAULT_REGION"]

    def make(*arguments: str) -> str:
        command = ["make", *arguments, "STAGE=dev"]
        done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    address = "security$(id)$HOME'`@example.com"  # which neither make nor the shell may touch
    told = make("deploy", f"EMAIL={address}")
    outputs = dict(re.findall(r"(\w+)\t(\S+)", told))

    assert outputs["StateMachineArn"].endswith(":stateMachine:iam-key-age-dev")
    assert outputs["EndpointURL"].startswith("https://")
    assert "Deploying iam-key-age-dev in us-east-1 as arn:aws:" in told
    assert re.search(r"Next scan: \d{4}-\d\d-\d\d 08:00 UTC, by cron\(0 8 \* \* \? \*\)\.", told)
    assert f"export ENDPOINT_URL={outputs['EndpointURL']} AWS_DEFAULT_REGION=us-east-1" in told
    assert f"--state-machine-arn {outputs['StateMachineArn']}\n" in told
    [stack] = served.client("cloudformation").describe_stacks(StackName="iam-key-age-dev")["Stacks"]
    assert {"ParameterKey": "NotificationEmail", "ParameterValue": address} in stack["Parameters"]
    assert {"ParameterKey": "ApiGatewayLogsRole", "ParameterValue": "create"} in stack["Parameters"]
    assert policy_of_a_scan(served, outputs)["max_age_days"] == 90

    again = make("deploy")
    assert "No changes to deploy. Stack iam-key-age-dev is up to date" in again
    assert dict(re.findall(r"(\w+)\t(\S+)", again)) == outputs

    tagged = 'TAGS=team=security "Cost Center"=42 équipe=部門'
    told = make("deploy", "PARAMETERS=MaxAgeDays=60 ScanSchedule=cron(15 6 * * ? *)", tagged)
    assert re.search(r"Next scan: \d{4}-\d\d-\d\d 06:15 UTC, by cron\(15 6 \* \* \? \*\)\.", told)
    assert "MaxAgeDays=60 is not in .chalice/parameters-dev.json; the stack keeps it until" in told
    assert outputs.items() <= dict(re.findall(r"(\w+)\t(\S+)", told)).items()  # nothing was made anew
    told = make("deploy", "PARAMETERS=WarnDays=30")
    assert "06:15 UTC" in told  # what is not named is kept
    assert "the alarms fire" not in told
    assert 'Keys will be judged by {"max_age_days": 60, "warn_days": 30, "include_inactive": false}\n' in told
    assert tags_of_the_stack(served) == {"team": "security", "Cost Center": "42", "équipe": "部門"}  # kept, too
    policy = policy_of_a_scan(served, outputs)
    assert (policy["max_age_days"], policy["warn_days"]) == (60, 30)
    make("deploy", "TAGS=équipe= team=platform")  # and no other change
    assert tags_of_the_stack(served) == {"team": "platform", "Cost Center": "42"}
    command = ["make", "deploy", "STAGE=dev", "PARAMETERS=MaxAgeDays=30"]
    refused = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    assert "PARAMETERS: warn_days: 30 is not accepted; it takes an integer from 0 to 29" in refused.stderr

    destroyed = make("destroy")
    assert f"Its reports stay in s3://{outputs['ReportsBucket']}" in destroyed
    assert f"aws s3 rb s3://{outputs['ReportsBucket']}" in destroyed
    assert served.client("s3").list_objects_v2(Bucket=outputs["ReportsBucket"])["KeyCount"] > 0

    machines = served.client("stepfunctions").list_state_machines()["stateMachines"]
    assert [machine["name"] for machine in machines] == ["iam-key-age-local"]
    groups = served.client("logs").describe_log_groups()["logGroups"]
    assert [group["logGroupName"] for group in groups if "iam-key-age-dev" in group["logGroupName"]] == []


def tags_of_the_stack(served: Served) -> dict[str, str]:
    [stack] = served.client("cloudformation").describe_stacks(StackName="iam-key-age-dev")["Stacks"]
    return {tag["Key"]: tag["Value"] for tag in stack["Tags"]}


def policy_of_a_scan(served: Served, outputs: dict[str, str]) -> dict[str, Any]:
    """Scan with a stack that was deployed, by the input that the runbook has, and return the policy of its report."""
    states = served.client("stepfunctions")
    arn = states.start_execution(stateMachineArn=outputs["StateMachineArn"], input="{}")["executionArn"]
    while (execution := states.describe_execution(executionArn=arn))["status"] == "RUNNING":
        time.sleep(0.1)
    assert execution["status"] == "SUCCEEDED"
    key = f"scans/{execution['name']}/report.json"
    assert f"s3://{outputs['ReportsBucket']}/scans/" in execution["output"]
    report = served.client("s3").get_object(Bucket=outputs["ReportsBucket"], Key=key)["Body"].read()
    return dict(json.loads(report)["policy"])


# The clients of docs/api.md and of what `serve` prints, as they are written there.


def documented(language: str, what: str = "") -> str:
    """The page's one block in a language that has these words."""
    blocks = re.findall(rf"```{language}\n(.*?)```", (PROJECT / "docs" / "api.md").read_text(), re.DOTALL)
    [block] = [block for block in blocks if what in block]
    return str(block)


def test_the_documented_awscurl_commands_work(served: Served) -> None:
    done = run(served, "bash", "-euo", "pipefail", "-c", documented("sh", "# The last five scans"))

    assert done.returncode == 0, done.stderr
    one_user, everybody, listed = json.loads("[" + done.stdout.replace("}{", "},{") + "]")
    assert one_user["summary"]["totals"]["expired"] == 1
    assert everybody["status"] == "RUNNING"
    assert everybody["scan_id"] in [scan["scan_id"] for scan in listed["scans"]]
    served.wait_for(everybody["scan_id"])


def test_the_documented_python_client_works(served: Served, tmp_path: Path) -> None:
    done = run(served, sys.executable, "-c", documented("python"), cwd=tmp_path)

    assert done.returncode == 1, done.stderr  # for the key is expired
    user, key, _ = done.stdout.splitlines()
    assert user == "pubudu checked "
    assert key.startswith("expired AKIAIOSFODNN7EXAMPLE In use, last on ")
    assert "AKIAIOSFODNN7EXAMPLE" in (tmp_path / "report.html").read_text()


def test_the_documented_python_client_says_that_a_user_is_not_there(served: Served, tmp_path: Path) -> None:
    done = run(served, sys.executable, "-c", documented("python").replace("pubudu", "pubdu"), cwd=tmp_path)

    assert done.stdout.startswith("pubdu not_found ")
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("iam_user", "status", "says"),
    [
        ("pubudu", 1, "expired AKIAIOSFODNN7EXAMPLE In use, last on "),
        ("nobody.of.this.name", 1, "nobody.of.this.name not_found"),
        (None, 0, " checked"),
    ],
    ids=["an overdue key", "no such user", "a young key"],
)
def test_the_documented_step_of_github_actions_fails_for_an_expired_key_and_for_what_it_cannot_know(
    served: Served, tmp_path: Path, iam_user: str | None, status: int, says: str
) -> None:
    [*_, step] = yaml.safe_load(documented("yaml"))["jobs"]["access-keys"]["steps"]
    github = {
        "GITHUB_RUN_ID": f"{os.getpid()}{len(says)}",
        "GITHUB_RUN_ATTEMPT": "1",
        "AWS_SESSION_TOKEN": "as/GitHub+has=one==",
        "IAM_USER": iam_user or user_with_a_young_key(),
    }

    # as https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax says that it is run
    done = run(served, "bash", "-e", "-c", step["run"], cwd=tmp_path, **github)

    assert (done.returncode, says in done.stdout + done.stderr) == (status, True), done.stdout + done.stderr
    assert step["env"].keys() == {"ENDPOINT_URL", "IAM_USER"}


def test_the_aws_commands_of_the_docs_are_taken(served: Served) -> None:
    iam, states, machine = served.client("iam"), served.client("stepfunctions"), served.settings["STATE_MACHINE_ARN"]
    failed = states.start_execution(stateMachineArn=machine, input='{"max_age_days": 0}')["executionArn"]
    while (execution := states.describe_execution(executionArn=failed))["status"] == "RUNNING":
        time.sleep(0.1)
    iam.create_user(UserName="vault")
    key = iam.create_access_key(UserName="vault")["AccessKey"]["AccessKeyId"]
    places = {
        "EXECUTION_ARN": failed,
        "STATE_MACHINE_ARN": machine,
        "BUCKET": served.settings["REPORTS_BUCKET"],
        "BUS": "default",
        "EVENT_BUS": "default",
        "--principal ACCOUNT_ID": "--principal 210987654321",
        "OWNERS_TOPIC_ARN": served.client("sns").create_topic(Name="owners")["TopicArn"],
        "--email-identity example.com": "--email-identity example.net",  # the other one is verified here already
        "--email-address ADDRESS": "--email-address dana@example.com",
        "--user-name USER": "--user-name vault",
        "--access-key-id KEY": f"--access-key-id {key}",
    }
    owner = hashlib.sha256(b"web@example.com").hexdigest()[:32]
    served.client("s3").put_object(Bucket=places["BUCKET"], Key=f"notices/{owner}.json", Body=b"{}")
    served.client("sesv2").put_suppressed_destination(EmailAddress="dana@example.com", Reason="BOUNCE")
    pages = "\n".join(path.read_text() for path in (PROJECT / "README.md", *(PROJECT / "docs").glob("*.md")))
    taken = r"stepfunctions|iam|sesv2|sns|events|s3 rm|s3 cp s3://BUCKET/notices/\S+"
    found = re.findall(rf"^ +(aws (?:{taken}) (?:.*\\\n)?.*)$", pages, re.MULTILINE)
    removing = ("delete-", "s3 rm")
    commands = sorted(dict.fromkeys(found), key=lambda command: any(word in command for word in removing))

    for command in commands:
        for place, value in places.items():
            command = re.sub(rf"(?<![A-Z_]){place}\b", value, command)  # noqa: PLW2901  # the same, filled in
        done = run(served, "bash", "-c", command)

        assert done.returncode == 0, f"{command}\n{done.stderr}"
    assert len(commands) >= 10
    assert execution["status"] == "FAILED"
    assert states.describe_execution(executionArn=failed)["redriveCount"] == 1


def user_with_a_young_key() -> str:
    account = json.loads((PROJECT / "localaws" / "accounts" / "demo-account.json").read_text())
    young = (user for user in account["users"] for key in user["access_keys"] if key.get("age_days", 999) < 30)
    return str(next(young)["user_name"])


def test_the_documented_awscurl_is_the_pinned_one() -> None:
    pinned = re.findall(r"^(awscurl==\S+)", (PROJECT / "requirements-dev.in").read_text(), re.MULTILINE)

    assert re.findall(r"awscurl==[\d.]+", documented("yaml")) == pinned


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not on every machine")
def test_the_calls_that_are_printed_work_as_they_are(served: Served, project_copy: Path) -> None:
    calls = example_calls(served.settings["ENDPOINT_URL"].rstrip("/"))
    printed = served.printed.partition("\n\n")[2].partition("\n\n")[2]

    done = run(served, "bash", "-euo", "pipefail", "-c", printed, cwd=project_copy)

    assert calls in served.printed
    assert done.returncode == 0, done.stderr
    assert '"expired":1' in done.stdout
    assert '"scans":[{"scan_id":' in done.stdout


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not on every machine")
def test_the_printed_call_of_an_organization_scans_it(tmp_path: Path) -> None:
    file = tmp_path / "account.json"
    file.write_text(json.dumps({"users": [], "accounts": [member(1)]}))
    served = start("--account", str(file))
    try:
        done = run(served, "bash", "-euc", example_calls(served.settings["ENDPOINT_URL"].rstrip("/"), "{}"))
    finally:
        served.stop()

    assert "\n  -d '{}'\n" in served.printed
    assert "pubudu" not in served.printed
    assert re.match(r'{"scan_id":"organization-', done.stdout), done.stdout + done.stderr


def test_the_calls_that_make_demo_ends_with_are_for_make_serve() -> None:
    assert f'localaws serve --api-port "{API_PORT}"' in made_serve()


@pytest.mark.parametrize(
    ("stage", "environment", "says"),
    [
        ("qa", {}, 'STAGE: "qa" is not in .chalice/config.json; it takes dev or prod, or another one'),
        ("a b", {}, 'STAGE: "a b" is not accepted; it takes 1 to 25 letters, digits and -'),
        ("dev", {"AWS_DEFAULT_REGION": ""}, "No Region is set: export AWS_REGION="),
        (
            "dev",
            {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_EC2_METADATA_DISABLED": "true"},
            "AWS takes no credentials from here: log in",
        ),
    ],
    ids=["stage", "name", "Region", "credentials"],
)
def test_make_deploy_says_what_is_missing_before_it_makes_anything(
    served: Served, tmp_path: Path, stage: str, environment: dict[str, str], says: str
) -> None:
    environment |= {"HOME": str(tmp_path), "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}

    done = run(served, "make", "deploy", f"STAGE={stage}", cwd=PROJECT, **environment)

    assert done.returncode != 0
    assert says in done.stdout + done.stderr
    assert "Creating deployment package" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


class RefusingApiGateway(BaseHTTPRequestHandler):
    """API Gateway to somebody who may not ask it anything."""

    def do_GET(self) -> None:
        self.send_response(403)
        self.send_header("x-amzn-ErrorType", "AccessDeniedException")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        pass


def test_make_deploy_asks_before_it_makes_the_accounts_role_for_logs_and_stops_where_it_gets_no_answer(
    served: Served,
) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), RefusingApiGateway)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    refusing = f"http://127.0.0.1:{server.server_port}"
    try:
        done = run(served, "make", "deploy", "STAGE=dev", AWS_ENDPOINT_URL_API_GATEWAY=refusing, AWS_REGION="us-east-1")
    finally:
        server.shutdown()
        server.server_close()

    assert done.returncode != 0
    assert "AccessDenied" in done.stderr
    assert "GetAccount" in done.stderr
    assert "Traceback" not in done.stderr
    stacks = served.client("cloudformation").list_stacks(StackStatusFilter=["CREATE_COMPLETE"])["StackSummaries"]
    assert "iam-key-age-dev" not in [stack["StackName"] for stack in stacks]


def test_everything_listens_on_the_loopback_address_only(served: Served) -> None:
    ports = [re.search(r"127\.0\.0\.1:(\d+)", url) for url in (served.api, served.settings["AWS_ENDPOINT_URL"])]

    for port in ports:
        assert port
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.2", int(port[1]))) != 0


@pytest.mark.parametrize(
    ("number", "status", "wait"),
    [(signal.SIGINT, 0, 0), (signal.SIGINT, 0, 1.5), (signal.SIGTERM, 143, 0.5), (signal.SIGHUP, 129, 2)],
)
def test_everything_started_is_stopped_also_in_the_middle_of_a_scan(
    number: signal.Signals, status: int, wait: float, tmp_path: Path
) -> None:
    os.environ["TMPDIR"], before = str(tmp_path), os.environ.get("TMPDIR")
    try:
        running = start(forked=wait != 1.5)  # by both ways
    finally:
        os.environ.pop("TMPDIR")
        if before:
            os.environ["TMPDIR"] = before
    running.post()
    time.sleep(wait)
    children = {*psutil.Process(running.process.pid).children(recursive=True), *started_in(tmp_path)}

    running.process.send_signal(number)

    assert running.process.wait(20) == status
    assert children
    assert not any(child.is_running() for child in children)
    assert list(tmp_path.iterdir()) == []


def started_in(folder: Path) -> Iterator[psutil.Process]:
    """Yield the processes that were started with files of a folder: the REST API's, and each function's."""
    for process in psutil.process_iter(["cmdline"]):
        if any(str(folder) in argument for argument in process.info["cmdline"] or ()):
            yield process


def test_the_ports_that_are_given_are_used() -> None:
    with socket.socket() as one, socket.socket() as other:
        for listener in (one, other):
            listener.bind(("127.0.0.1", 0))
        port, api_port = (listener.getsockname()[1] for listener in (one, other))

    running = start("--port", str(port), "--api-port", str(api_port))
    running.stop()

    assert running.settings["AWS_ENDPOINT_URL"] == f"http://127.0.0.1:{port}"
    assert running.api == f"http://127.0.0.1:{api_port}/scan"


def test_a_port_that_is_taken_is_said() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for option in ("--port", "--api-port"):
            command = [*localaws_command(), "serve", option, str(port)]
            done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False)

            assert done.returncode == 1
            assert f"port {port} cannot be used" in done.stderr
            assert f"with {option}" in done.stderr
