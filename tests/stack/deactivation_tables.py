"""What the roles of a stack with Deactivation=apply may besides, and calls that they may not."""

from tests.stack.role_tables import (
    BASELINES,
    BUCKET,
    CALLS,
    CALLS_FOR_ORGANIZATION,
    CHILD,
    DELIVERY,
    EXECUTION,
    FUNCTION,
    LATEST,
    LOG_STREAM,
    LOGS,
    MACHINE,
    MAY,
    MAY_FOR_ORGANIZATION,
    READ_AND_WRITE_WITH_THE_KEY,
    REPORTS,
    REPORTS_OF_AN_ACCOUNT,
    SCAN_LOG_STREAM,
    TOPIC,
    TRACES,
    TRACES_OF_STEP_FUNCTIONS,
)
from tests.stack.test_template_parameters import KEY

DEACTIVATION_MACHINE = f"{MACHINE}-deactivation"
DEACTIVATION_EXECUTION = EXECUTION.replace("prod:some-scan", "prod-deactivation:deactivate-some-scan")
ACTION = f"{BUCKET}/actions/123456789012/AKIAIOSFODNN7EXAMPLE-1/00-intent.json"
OWN_DEACTIVATOR = "arn:aws:iam::123456789012:role/security/iam-key-age-prod-DeactivatorRole-1A2B"
DEACTIVATOR = "arn:aws:iam::111122223333:role/iam-key-age-deactivator"
CHECK_LOG_STREAM = LOG_STREAM.format("CheckDeactivation").replace("-X", "")
DEACTIVATION_LOG_STREAM = SCAN_LOG_STREAM.replace("prod:", "prod-deactivation:")
LAST = f"{BUCKET}/latest.json"
NEW_ROLES = {"CheckDeactivationRole", "ApplyPlansRole", "DeactivatorRole"}

_START = ("states:StartExecution", DEACTIVATION_MACHINE)
_OF_PLANS = {("s3:GetObject", ACTION)}
_OF_BOTH: dict[str, set[tuple[str, str]]] = {
    "ApiHandlerRole": {*_OF_PLANS, _START, ("states:DescribeExecution", DEACTIVATION_EXECUTION)},
    "CheckDeactivationRole": {
        *_OF_PLANS,
        ("s3:PutObject", ACTION),
        ("s3:GetObject", REPORTS[0]),
        ("s3:ListBucket", BUCKET),
        *READ_AND_WRITE_WITH_THE_KEY,
        *((action, CHECK_LOG_STREAM) for action in LOGS),
        *((action, "*") for action in TRACES),
    },
    "ApplyPlansRole": {
        ("lambda:InvokeFunction", f"{FUNCTION}:CheckDeactivation"),
        ("sns:Publish", TOPIC),
        *READ_AND_WRITE_WITH_THE_KEY,
        *((action, DEACTIVATION_LOG_STREAM) for action in LOGS),
        *((action, "*") for action in DELIVERY | TRACES_OF_STEP_FUNCTIONS),
    },
}
_OF_ONE_ACCOUNT: dict[str, set[tuple[str, str]]] = {
    "ApiHandlerRole": {("s3:GetObject", LAST)},
    "BuildReportRole": _OF_PLANS,
    "CheckDeactivationRole": {("s3:GetObject", LAST)},
    "ApplyPlansRole": {("sts:AssumeRole", OWN_DEACTIVATOR)},
}
_OF_AN_ORGANIZATION: dict[str, set[tuple[str, str]]] = {
    "ScanAccountRole": _OF_PLANS,
    "CheckDeactivationRole": {("s3:GetObject", one) for one in (LATEST, BASELINES, REPORTS_OF_AN_ACCOUNT[0])},
    "ApplyPlansRole": {("sts:AssumeRole", DEACTIVATOR)},
}


def may(role: str, accounts: str, deactivation: str, approval: str) -> set[tuple[str, str]]:
    """What a role may by the parameters of the stack; nothing if it is not there."""
    tables = [MAY, *([MAY_FOR_ORGANIZATION] if accounts else [])]
    if deactivation == "apply":
        tables += [_OF_BOTH, _OF_AN_ORGANIZATION if accounts else _OF_ONE_ACCOUNT]
        if approval == "none":
            tables.append({"OrganizationScanRole" if accounts else "ScanStateMachineRole": {_START}})
    return set().union(*(table.get(role, set()) for table in tables))


OF_NO_DEACTIVATION = {
    *((f"iam:{action}AccessKey", "arn:aws:iam::123456789012:user/alice") for action in ("Create", "Update", "Delete")),
    ("states:StartExecution", f"{DEACTIVATION_MACHINE}-other"),
    ("states:StopExecution", DEACTIVATION_EXECUTION),
    ("states:RedriveExecution", DEACTIVATION_EXECUTION),
    ("states:GetExecutionHistory", DEACTIVATION_EXECUTION),
    ("states:ListExecutions", DEACTIVATION_MACHINE),
    ("states:DescribeExecution", DEACTIVATION_EXECUTION.replace("123456789012", "210987654321")),
    ("states:UpdateStateMachine", DEACTIVATION_MACHINE),
    ("states:RedriveExecution", CHILD.replace("prod/", "prod-deactivation/")),
    ("s3:PutObject", f"{BUCKET}/scans/some-scan/report.json.other"),
    *((f"s3:{action}", ACTION) for action in ("DeleteObject", "DeleteObjectVersion", "PutObjectAcl")),
    ("s3:GetObject", ACTION.replace("reports/", "other/")),
    ("s3:PutObject", ACTION.replace("/actions/", "/other/actions/")),
    ("sts:AssumeRole", OWN_DEACTIVATOR.replace("Deactivator", "ReadAccount")),
    ("sts:AssumeRole", OWN_DEACTIVATOR.replace("123456789012", "210987654321")),
    ("sts:AssumeRole", f"{DEACTIVATOR}-other"),
    ("sts:AssumeRole", DEACTIVATOR.replace("role/", "role/path/")),
    ("sts:TagSession", DEACTIVATOR),
    ("lambda:UpdateFunctionCode", f"{FUNCTION}:CheckDeactivation"),
    ("kms:Encrypt", KEY),
}
_OF_ANY_STACK = OF_NO_DEACTIVATION.union(*_OF_BOTH.values(), *_OF_ONE_ACCOUNT.values())


def calls(role: str, accounts: str) -> list[tuple[str, str]]:
    """The calls that a role is tried with: also those of an organization, where it is for one."""
    if accounts and role in {*MAY_FOR_ORGANIZATION, *NEW_ROLES}:
        return sorted({*CALLS_FOR_ORGANIZATION, *_OF_ANY_STACK}.union(*_OF_AN_ORGANIZATION.values()))
    return sorted({*CALLS, *_OF_ANY_STACK, ("sts:AssumeRole", DEACTIVATOR)})
