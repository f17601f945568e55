"""The command line, run as a person runs it, and its output read."""

import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from chalicelib.settings import InvalidSettingError
from deploy.settings import check_settings
from localaws.accounts.account_file import DEMO_ACCOUNT, Account
from localaws.environment import PROJECT
from tests.support.forked import localaws_command
from tests.support.scanner import user


def localaws(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [*localaws_command(), *arguments]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=120, check=False)


def account_file(folder: Path, document: object) -> str:
    path = folder / "account.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return str(path)


def test_make_demo_ends_in_a_finished_scan_and_the_message() -> None:
    done = subprocess.run(["make", "demo"], cwd=PROJECT, capture_output=True, text=True, timeout=300, check=False)

    assert done.returncode == 0, done.stderr
    assert "250/250" in done.stdout
    found = "1 quarantined, 2 new of 20 overdue keys in example-shop (123456789012) (complete: 250 users)"
    assert f"Subject: {found}" in done.stdout
    assert "AKIAIOSFODNN7EXAMPLE" in done.stdout
    assert "overdue since 2022-02-25, owner pubudu@example.com" in done.stdout
    assert "Users: 250 listed = 250 checked + 0 not found + 0 unchecked." in done.stdout
    assert "2 new, 18 still overdue, 4 resolved." in done.stdout.rpartition("The findings")[2]
    kept = "account.json, events.json, notices/, pages/, report.csv, report.html, report.json, security-hub.json"
    assert f"Kept in out/demo/: {kept}, usage.json" in " ".join(done.stdout.split())
    assert "Open out/demo/report.html in a browser" in done.stdout
    assert "make deploy" in done.stdout
    lines = [line for line in done.stdout.splitlines() if not re.match(r"Subject:| *Console: +https://", line)]
    assert max(map(len, lines)) <= 80
    report = json.loads((PROJECT / "out" / "demo" / "report.json").read_text())
    assert report["totals"]["expired"] == 20
    assert [report["plan"][name] for name in ("mode", "due", "held", "waiting")] == ["plan", 0, 9, 8]
    assert done.stdout.count("Would be deactivated on 20") == 8
    assert {finding["seen_from"]["status"] for finding in report["findings"]} == {"seen", "nothing", "not_asked"}
    events = json.loads((PROJECT / "out" / "demo" / "events.json").read_text())
    assert f"{len(events)} events on the bus: 16 Due Soon, 4 Resolved, 2 Overdue," in done.stdout
    findings = json.loads((PROJECT / "out" / "demo" / "security-hub.json").read_text())
    assert f"Security Hub has {len(findings)} findings: 20 FAILED, 16 WARNING," in done.stdout
    notices = {path.name for path in (PROJECT / "out" / "demo" / "notices").iterdir()}
    assert {"finance-team@example.com.txt", "finance-team@example.com.html", "kavya@example.com.txt"} <= notices
    notice = done.stdout.partition("The notice to an owner, finance-team@example.com")[2].partition("The findings")[0]
    assert (notice.count("Subject:"), notice.count("AKIA63T35LDKHPBMDMF7")) == (1, 1)
    [transcript] = re.findall(r"```\n\$ make demo\n(.*?)```", (PROJECT / "README.md").read_text(), re.DOTALL)
    assert set(undated(transcript).splitlines()) - {"[…]", ""} <= set(undated(done.stdout).splitlines())


def undated(text: str) -> str:
    return re.sub(r"\d{4}-\d\d-\d\d", "DATE", text)


def test_make_demo_shows_every_advice_an_exemption_in_force_and_one_that_is_over() -> None:
    now, before = DEMO_ACCOUNT, DEMO_ACCOUNT.with_name("demo-account-before.json")

    done = localaws("scan", "--account", str(now), "--previous", str(before), "--json")

    message, report = done.stderr.partition("\n Verdict ")[0], json.loads(done.stdout)
    for sentence in (
        "Never used since it was created on",
        "Not used for 412 days, last on",
        "in eu-west-1, before the successor was created",
        "is in use, but so was this key on",
        "In use, last on",
        "is not in use",
    ):
        assert sentence in " ".join(message.split())
    assert {finding["advice"] for finding in report["findings"]} == {"deactivate", "finish_rotation", "rotate"}
    assert "EXEMPT, not counted as overdue:\n  AKIAJFH43UBQJMYI54Q7  until 20" in message
    assert "Reason: Break-glass user: key in the vault: CHG-2041" in message
    assert "Not exempt: the exemption ended on 20" in message
    assert "Root user: no access keys." in message


def test_the_account_file_switches_the_root_finding(tmp_path: Path) -> None:
    account = account_file(tmp_path, {"root": {"access_keys": 1}, "users": [{"user_name": "alice"}]})

    done = localaws("scan", "--account", account, "--json")

    assert json.loads(done.stdout)["root"]["verdict"] == "root_access_keys"
    assert "Subject: Root access key, 0 overdue access keys in AWS account" in done.stderr
    assert (
        "The root user of AWS account 123456789012 has access keys (Security Hub IAM.4):\n  sign in as the"
        in done.stderr
    )


def test_dates_in_an_account_file_may_count_against_now() -> None:
    now = datetime(2026, 11, 22, 8, 0, 0, tzinfo=UTC)
    account = Account.model_validate_json(
        json.dumps(
            with_user(
                tags={"until": "{date:+30}", "ended": "{date:-1}", "owner": "web"},
                access_keys=[{"age_days": 100, "last_used": {"days_ago": 1.5}}],
            )
        )
    )

    [user] = account.users
    used = user.access_keys[0].last_used
    assert user.tags_at(now) == [
        {"Key": "until", "Value": "2026-12-22"},
        {"Key": "ended", "Value": "2026-11-21"},
        {"Key": "owner", "Value": "web"},
    ]
    assert used is not None
    assert used.used(now) == now - timedelta(days=1.5)


def test_json_prints_the_report_alone_and_it_agrees_with_the_rule(tmp_path: Path) -> None:
    as_of = datetime(2026, 11, 22, 8, 0, 0, tzinfo=UTC)
    ages = {f"user-{seconds}": timedelta(days=30, seconds=seconds) for seconds in (-1, 0, 1)}
    users = [user(name, (as_of - age).strftime("%Y-%m-%dT%H:%M:%SZ"), path="/team/") for name, age in ages.items()]
    account = account_file(tmp_path, {"account_id": "210987654321", "users": users})
    policy = json.dumps({"as_of": "2026-11-22T09:00:00+01:00", "max_age_days": 30, "warn_days": 0})
    out, stats = tmp_path / "out", tmp_path / "stats.json"

    done = localaws(
        "scan", "--account", account, "--policy", policy, "--json", "--out", str(out), "--stats", str(stats)
    )

    assert done.returncode == 0
    report = json.loads(done.stdout)
    assert report["account_id"] == "210987654321"
    assert report["as_of"] == "2026-11-22T08:00:00Z"
    assert [finding["user_name"] for finding in report["findings"]] == ["user-1"]
    assert "Subject: 1 overdue access key in AWS account 210987654321" in done.stderr
    assert json.loads((out / "report.json").read_text()) == report
    assert (out / "pages" / "0001.json").exists()
    assert "user-1" in (out / "report.csv").read_text()
    assert "user-1" in (out / "report.html").read_text()
    written = json.loads(stats.read_text())
    assert written["calls"]["iam:ListAccessKeys"] == 3
    assert written["calls"]["sns:Publish"] == 1
    assert written["child_executions"] == 1
    assert set(written) == {
        "calls",
        "throttled",
        "history_events",
        "iam_seconds",
        "largest_payload_bytes",
        "child_executions",
        "state_transitions",
        "seconds",
    }


def test_a_named_user_whom_iam_does_not_know_is_named(tmp_path: Path) -> None:
    account = account_file(tmp_path, {"users": [{"user_name": "pubudu"}]})

    done = localaws("scan", "--account", account, "--policy", '{"users": ["pubdu"]}')

    assert done.returncode == 0
    assert "IAM knows no user named pubdu." in done.stdout


def test_the_users_own_aws_and_proxy_settings_are_not_used(tmp_path: Path) -> None:
    account = account_file(tmp_path, {"users": []})
    command = [sys.executable, "-m", "localaws", "scan", "--account", account]
    theirs = {"AWS_PROFILE": "none", "AWS_REGION": "eu-west-1", "HTTP_PROXY": "http://127.0.0.1:9", "ALL_PROXY": "x"}

    done = subprocess.run(
        command, cwd=PROJECT, env={**os.environ, **theirs}, capture_output=True, text=True, timeout=120, check=False
    )

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"MAX_AGE_DAYS": 60}, 'MAX_AGE_DAYS: 60 is not accepted; it takes text, as every environment variable: "60"'),
        ({"MAX_AGE_DAYS": "abc"}, 'max_age_days: "abc" is not accepted'),
        ({"MAX_AGE_DAYS": "14", "WARN_DAYS": "14"}, "warn_days: 14 is not accepted; it takes an integer from 0 to 13"),
        ({"INCLUDE_INACTIVE": "yes"}, 'include_inactive: "yes" is not accepted; it takes true or false'),
    ],
)
def test_settings_that_would_fail_each_scan_are_refused_before_packaging(
    tmp_path: Path, settings: dict[str, object], says: str
) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"stages": {"dev": {"environment_variables": settings}}}))

    check_settings(config, "prod")  # is another stage
    with pytest.raises(InvalidSettingError) as refusal:
        check_settings(config, "dev")

    assert says in str(refusal.value)


@pytest.mark.parametrize("stage", ["", "a b", "my_stage", "x" * 26, "é"])
def test_a_stage_that_cannot_name_a_stack_is_refused(stage: str) -> None:
    with pytest.raises(InvalidSettingError, match=r"STAGE: .* it takes 1 to 25 letters, digits and -"):
        check_settings(PROJECT / ".chalice" / "config.json", stage)


def test_settings_of_one_function_are_checked_too(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    function = {"validate_keys": {"environment_variables": {"MAX_AGE_DAYS": "0"}}}
    config.write_text(json.dumps({"stages": {"dev": {"lambda_functions": function}}}))

    with pytest.raises(InvalidSettingError, match="max_age_days: 0 is not accepted"):
        check_settings(config, "dev")


@pytest.mark.parametrize(
    "document",
    [{"stages": {"dev": {"api_gateway_stage": "v1"}}}, {"api_gateway_stage": "v1"}, {"api_gateway_stage": None}],
)
def test_another_stage_of_the_api_is_refused(tmp_path: Path, document: dict[str, Any]) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps(document))

    with pytest.raises(InvalidSettingError, match=r'api_gateway_stage: .* is not accepted; it takes "api"'):
        check_settings(config, "dev")


def test_a_scan_whose_faults_are_for_good_ends_with_status_1_and_moves_the_earlier_report_aside(tmp_path: Path) -> None:
    account, out = account_file(tmp_path, {"users": [user("alice", "2020-01-01T00:00:00Z")]}), tmp_path / "out"
    assert localaws("scan", "--account", account, "--out", str(out)).returncode == 0
    kept = {path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert {oct(path.stat().st_mode & 0o077) for path in (out, *out.rglob("*"))} == {"0o0"}

    faults = json.dumps({"lambda": {"build_report": {"fail": -1}}})
    done = localaws("scan", "--account", account, "--out", str(out), "--faults", faults)

    assert done.returncode == 1
    assert "The scan FAILED: Lambda.ServiceException" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    aside = out / "earlier-scan"
    assert f"{aside}: has the files of an earlier scan; this one made no report" in done.stderr
    assert {path.relative_to(aside): path.read_bytes() for path in aside.rglob("*") if path.is_file()} == kept
    assert [path.name for path in out.glob("report.*")] == []


def test_out_does_not_take_away_a_file_that_is_not_of_a_scan(tmp_path: Path) -> None:
    mine = tmp_path / "report.json"
    mine.write_text('{"mine": true}')

    done = localaws("scan", "--out", str(tmp_path))

    assert done.returncode == 2
    assert f"--out: {mine} is not of a scan" in done.stderr
    assert mine.read_text() == '{"mine": true}'


def test_a_clean_account_says_so_and_sends_nothing(tmp_path: Path) -> None:
    account = account_file(tmp_path, {"users": [{"user_name": "alice", "access_keys": [{"age_days": 1.5}]}]})

    done = localaws("scan", "--account", account)

    assert done.returncode == 0
    assert "No message was sent: no key is overdue, and the report is complete." in " ".join(done.stdout.split())
    assert "Users: 1 listed = 1 checked + 0 not found + 0 unchecked." in done.stdout


KEY = {"created_at": "2026-01-01T00:00:00Z"}


def with_user(**fields: Any) -> dict[str, Any]:
    return {"users": [{"user_name": "alice", **fields}]}


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ("{", "is not JSON"),
        ("[]", "account: [] is not accepted: takes an object"),
        ('{"users": [{"user_name": "a"}], "users": []}', "an object has a field twice"),
        ("{}", "users: is missing"),
        ({"users": None}, "users: null"),
        ({"users": {}}, "users: {} is not accepted: takes a list"),
        ({"users": [], "extra": 1}, "extra: unknown field"),
        ({"users": [], "account_id": 123456789012}, "account_id: 123456789012"),
        ({"users": [], "account_id": "12345"}, 'account_id: "12345" is not accepted: takes 12 digits'),
        ({"users": [{}]}, "users.0.user_name: is missing"),
        ({"users": [{"user_name": "a b"}]}, 'users.0.user_name: "a b"'),
        ({"users": [{"user_name": "a"}, {"user_name": "a"}]}, 'user_name "a" is there twice'),
        (with_user(key=KEY), "users.0.key: unknown field"),
        (with_user(path="x"), 'users.0.path: "x"'),
        (with_user(access_keys=[{}]), "users.0.access_keys.0: {} is not accepted: takes either created_at or age_days"),
        (with_user(access_keys=[{**KEY, "age_days": 3}]), "takes either created_at or age_days"),
        (with_user(access_keys=[{"created_at": "2026-02-30T00:00:00Z"}]), '"2026-02-30T00:00:00Z"'),
        (with_user(access_keys=[{"created_at": "2026-02-03"}]), "takes an ISO 8601 instant with a zone"),
        (with_user(access_keys=[{"created_at": 5}]), "created_at: 5"),
        (with_user(access_keys=[{"age_days": "5"}]), 'age_days: "5"'),
        (with_user(access_keys=[{"age_days": True}]), "age_days"),
        (with_user(access_keys=[{**KEY, "status": "active"}]), 'status: "active" is not accepted: takes "Active" or'),
        (with_user(access_keys=[{**KEY, "access_key_id": "AKIA"}]), 'access_key_id: "AKIA"'),
        (with_user(access_keys=[{**KEY, "access_key_id": "A" * 20}] * 2), "is there twice"),
        (with_user(access_keys=[{**KEY, "last_used": {"at": "now"}}]), 'last_used.at: "now"'),
        (
            with_user(access_keys=[{**KEY, "last_used": {}}]),
            "last_used: {} is not accepted: takes either at or days_ago",
        ),
        (with_user(access_keys=[{**KEY, "last_used": {"days_ago": "1"}}]), 'last_used.days_ago: "1"'),
        (with_user(tags={"a" * 129: "b"}), "takes 1 to 128 characters"),
        (with_user(tags={"a": "b" * 257}), "takes up to 256 characters"),
        (with_user(tags={"a": "{date:soon}"}), '"{date:soon}" is not accepted'),
        (with_user(tags={str(number): "" for number in range(51)}), "takes at most 50 tags"),
        (with_user(tags={"a": 7}), "users.0.tags.a: 7"),
        ({"root": {"access_keys": 3}, "users": []}, "root.access_keys: 3 is not accepted: takes 0, 1 or 2"),
        ({"root": {"access_keys": True}, "users": []}, "root.access_keys: true"),
        ({"root": 1, "users": []}, "root: 1 is not accepted: takes an object"),
    ],
)
def test_a_bad_account_file_ends_with_status_2_and_one_clear_line(
    tmp_path: Path, document: object, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from localaws.__main__ import main

    status = main(["scan", "--account", account_file(tmp_path, document)])

    assert status == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1
    assert error.startswith(f"localaws: {tmp_path}/account.json: ")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "required: scan | serve"),
        (["scna"], "invalid choice: 'scna'"),
        (["scan", "--acount", "x"], "unrecognized arguments: --acount x"),
        (["scan", "--account", "/none/such.json"], "/none/such.json: cannot be read: No such file"),
        (["scan", "--policy", "{"], "--policy: scan policy:"),
        (["scan", "--policy", '{"max_age_days": true}'], "--policy: max_age_days: true is not accepted"),
        (["scan", "--policy", '{"as_of": "2026-11-22T08:00:00"}'], "with a zone"),
        (["scan", "--out", "Makefile"], "Makefile/pages: cannot be written: Not a directory"),
        (["scan", "--out", "/proc/none"], "/proc/none: cannot be written"),
        (["scan", "--out", ""], 'argument --out: "" is not accepted; it takes a path'),
        (["scan", "--account", ""], "argument --account"),
        (["scan", "--stats", "/none/such/stats.json"], "/none/such/stats.json: cannot be written: No such file"),
        (["scan", "--faults", "{"], "--faults: is not JSON"),
        (
            ["scan", "--faults", '{"iam": {"throttle_ratio": 2}}'],
            "--faults: iam.throttle_ratio: 2 is not accepted: takes",
        ),
        (["serve", "--faults", '{"smtp": {}}'], "--faults: smtp: unknown field"),
        (["scan", "--parameters", "UsageEvidence=maybe"], '--parameters: UsageEvidence: "maybe" is not accepted'),
        (
            ["scan", "--parameters", "OwnerNotices=ses"],
            '--parameters: OwnerNotices: "ses" is not accepted; it takes NoticesFrom, an e-mail address, and',
        ),
        (["serve", "--parameters", "Usage=on"], '--parameters: "Usage=on" is not accepted; it takes NAME=value with'),
        *(
            (
                [command, "--parameters", f"Deactivation={mode} DeactivationApproval=none DeactivateAfterDays=0"],
                "--parameters: DeactivateAfterDays: 0 is not accepted; it takes an integer from 1 to 365, where nobody",
            )
            for command in ("scan", "serve")
            for mode in ("plan", "apply")
        ),
        (["serve", "--port", "0"], 'argument --port: "0" is not accepted; it takes a port from 1 to 65535'),
        (["serve", "--port", "http"], 'argument --port: "http" is not accepted'),
        (["serve", "--api-port", "65536"], "argument --api-port"),
    ],
)
def test_bad_arguments_end_with_status_2_and_one_clear_line(arguments: list[str], says: str) -> None:
    done = localaws(*arguments)

    assert done.returncode == 2
    assert done.stdout == ""
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


FAILING = """
import sys
from localaws.lambda_workers import Workers
Workers.invoke = lambda *_: ('{"errorType": "Boom", "errorMessage": "out of order"}', True)
from localaws.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_scan_that_fails_ends_with_status_1_and_looks_like_it(tmp_path: Path, options: list[str]) -> None:
    account = account_file(tmp_path, {"users": []})
    command = [sys.executable, "-c", FAILING, "scan", "--account", account, "--out", str(tmp_path / "out"), *options]
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "report.json").write_text('{"scan_id": "an earlier one, which was clean"}')

    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 1
    assert "The scan FAILED: Boom" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert "What next" not in done.stdout + done.stderr
    assert not (tmp_path / "out" / "report.json").exists()
    if options:
        assert done.stdout == ""


def test_faults_happen_to_the_scan_and_a_seed_makes_them_the_same_each_time(tmp_path: Path) -> None:
    account = account_file(tmp_path, {"users": [user(f"user-{number}", "2020-01-01T00:00:00Z") for number in range(8)]})
    faults = {"seed": 3, "iam": {"throttle_ratio": 0.2, "latency_ms": 1, "deny": ["user-1"], "delete": ["user-2"]}}
    policy = json.dumps({"as_of": "2026-11-22T08:00:00Z"})  # a day may begin between the two scans
    arguments = ("scan", "--account", account, "--faults", json.dumps(faults), "--policy", policy)
    runs = []

    for name in ("first", "second"):
        stats = tmp_path / f"{name}.json"
        done = localaws(*arguments, "--json", "--stats", str(stats))
        runs.append((done.returncode, json.loads(done.stdout), json.loads(stats.read_text())))

    [(status, report, stats), (_, report_again, stats_again)] = runs
    assert status == 0
    assert [person["user_name"] for person in report["unchecked"]] == ["user-1"]
    assert report["not_found"] == ["user-2"]
    assert stats["throttled"] == stats_again["throttled"] > 0
    for calls in (stats["calls"], stats_again["calls"]):
        del calls["states:ListExecutions"]  # one more in the first seconds of a minute
    assert stats["calls"] == stats_again["calls"]
    assert report["findings"] == report_again["findings"]


def test_previous_scans_another_account_file_before_and_tells_what_changed(tmp_path: Path) -> None:
    before, now = tmp_path / "before.json", tmp_path / "now.json"
    old = {"access_key_id": "AKIAOLD0000000000000", "age_days": 200}
    before.write_text(json.dumps({"users": [{"user_name": "alice", "access_keys": [old]}]}))
    now.write_text(json.dumps({"users": [{"user_name": "bob", "access_keys": [{"age_days": 91}]}]}))

    done = localaws("scan", "--account", str(now), "--previous", str(before), "--out", str(tmp_path / "out"))

    assert done.returncode == 0, done.stderr
    assert "Subject: 1 new of 1 overdue access key in AWS account 123456789012" in done.stdout
    changes = json.loads((tmp_path / "out" / "report.json").read_text())["changes"]
    assert [key["user_name"] for key in changes["new"]] == ["bob"]
    assert changes["resolved"] == [{"user_name": "alice", "access_key_id": old["access_key_id"], "how": "deleted"}]


@pytest.mark.parametrize(
    ("document", "policy", "says"),
    [
        (
            {"account_id": "210987654321", "users": []},
            "",
            "--previous: is of account 210987654321; it takes one of 1234",
        ),
        ({"users": []}, '{"users": ["pubudu"]}', "--previous: full scans alone are compared"),
        ({"users": []}, '{"as_of": "2026-11-22T08:00:00Z"}', "--previous: full scans alone are compared"),
        ({"users": 7}, "", "account.json: users"),
    ],
)
def test_a_previous_account_that_cannot_be_compared_with_is_refused(
    tmp_path: Path, document: object, policy: str, says: str
) -> None:
    done = localaws("scan", "--previous", account_file(tmp_path, document), "--policy", policy)

    assert done.returncode == 2
    assert says in done.stderr
    assert done.stdout == ""
