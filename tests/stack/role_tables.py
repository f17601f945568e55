"""What each role of the stack may call, and calls that it may not."""

import json
from typing import Any

from moto.iam.access_control import IAMPolicy, PermissionResult

from tests.stack.test_template import STACK, actions
from tests.stack.test_template_parameters import KEY
from tests.support.cloudformation import exists, resolve

LOGS = {"logs:CreateLogStream", "logs:PutLogEvents"}  # the group is the stack's
TRACES = {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}  # for which there is no resource
OF_CLOUDTRAIL = {"cloudtrail:LookupEvents"}  # nor for this
# https://docs.aws.amazon.com/step-functions/latest/dg/xray-iam.html
TRACES_OF_STEP_FUNCTIONS = TRACES | {"xray:GetSamplingRules", "xray:GetSamplingTargets"}
# With LOGS, https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html#cloudwatch-iam-policy
DELIVERY = {
    *(f"logs:{action}LogDelivery" for action in ("Create", "Get", "Update", "Delete")),
    *("logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:DescribeResourcePolicies", "logs:DescribeLogGroups"),
}

# IAM has no resource for these three.
OF_ALL_USERS = {"iam:GetAccountSummary", "iam:GetAccountAuthorizationDetails", "iam:ListAccountAliases"}
OF_USERS = {
    *("iam:ListUserTags", "iam:GetUser", "iam:ListGroupsForUser"),
    *("iam:ListAttachedUserPolicies", "iam:ListUserPolicies", "iam:GetUserPolicy"),
}
OF_GROUPS = {"iam:ListAttachedGroupPolicies", "iam:ListGroupPolicies", "iam:GetGroupPolicy"}
OF_POLICIES = {"iam:GetPolicy", "iam:GetPolicyVersion"}
OF_NAMED_USERS = OF_USERS | OF_GROUPS | OF_POLICIES


ON = {**STACK, "UsageEvidence": "on"}
MACHINE = "arn:aws:states:eu-central-1:123456789012:stateMachine:iam-key-age-prod"
EXECUTION = "arn:aws:states:eu-central-1:123456789012:execution:iam-key-age-prod:some-scan"
CHILD = "arn:aws:states:eu-central-1:123456789012:execution:iam-key-age-prod/a-label:a-child"
BUCKET = "arn:aws:s3:::reports"


TOPIC = "arn:aws:sns:eu-central-1:123456789012:topic"
FUNCTION = "arn:aws:lambda:eu-central-1:123456789012:function"
LOG_STREAM = "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/iam-key-age-prod-{}-X:log-stream:2026/11/22"
SCAN_LOG_STREAM = (
    "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/vendedlogs/states/iam-key-age-prod:log-stream:states/x"
)
PAGE, REPORTS = (
    f"{BUCKET}/scans/some-scan/pages/0001.json",
    [f"{BUCKET}/scans/some-scan/report.{kind}" for kind in ("json", "csv", "html")],
)
ACCOUNT = f"{BUCKET}/scans/some-scan/account.json"
IAM, OF_AWS = "arn:aws:iam::123456789012", "arn:aws:iam::aws"
CALLED = ("ReadPolicy", "ReadAccount", "ValidateKeys", "LookUpUsage", "BuildReport")
USAGE = f"{BUCKET}/scans/some-scan/usage.json"
READ_A_PAGE_OR_A_REPORT = {("s3:GetObject", one) for one in (PAGE, *REPORTS)} | {("s3:ListBucket", BUCKET)}
READ_AND_WRITE_WITH_THE_KEY = {("kms:Decrypt", KEY), ("kms:GenerateDataKey", KEY)}
MAY: dict[str, set[tuple[str, str]]] = {
    "ScheduledScanRole": {("states:StartExecution", MACHINE)},
    "ApiHandlerRole": {
        ("states:StartExecution", MACHINE),
        ("states:ListExecutions", MACHINE),
        ("states:DescribeExecution", EXECUTION),
        *READ_A_PAGE_OR_A_REPORT,
        ("kms:Decrypt", KEY),
    },
    "ReadPolicyRole": set(),
    "ReadAccountRole": {
        *((action, "*") for action in OF_ALL_USERS),
        *((action, f"{IAM}:user/{user}") for action in OF_USERS for user in ("alice", "a/path/bob")),
        *((action, f"{IAM}:group/{group}") for action in OF_GROUPS for group in ("admins", "a/path/admins")),
        *((action, policy) for action in OF_POLICIES for policy in (f"{IAM}:policy/own", f"{OF_AWS}:policy/aws")),
        ("s3:PutObject", ACCOUNT),
        ("kms:GenerateDataKey", KEY),
    },
    "ValidateKeysRole": {
        ("s3:PutObject", PAGE),
        ("s3:GetObject", ACCOUNT),
        ("s3:ListBucket", BUCKET),
        *READ_AND_WRITE_WITH_THE_KEY,
    },
    "LookUpUsageRole": {
        ("cloudtrail:LookupEvents", "*"),
        ("s3:GetObject", PAGE),
        ("s3:PutObject", USAGE),
        ("s3:ListBucket", BUCKET),
        *READ_AND_WRITE_WITH_THE_KEY,
    },
    "BuildReportRole": {
        ("s3:GetObject", USAGE),
        *(("s3:PutObject", report) for report in REPORTS),
        *(READ_A_PAGE_OR_A_REPORT - {("s3:GetObject", report) for report in REPORTS[1:]}),
        ("s3:GetObject", ACCOUNT),
        ("s3:GetObject", f"{BUCKET}/latest.json"),
        *READ_AND_WRITE_WITH_THE_KEY,
    },
    "ScanStateMachineRole": {
        *(("lambda:InvokeFunction", f"{FUNCTION}:{name}") for name in CALLED),
        ("iam:ListUsers", "*"),
        *(
            (f"iam:{action}", f"arn:aws:iam::123456789012:user/{user}")
            for action in ("ListAccessKeys", "GetAccessKeyLastUsed")
            for user in ("alice", "a/path/bob")
        ),
        ("sns:Publish", TOPIC),
        ("s3:PutObject", f"{BUCKET}/latest.json"),
        ("states:StartExecution", MACHINE),
        ("states:DescribeExecution", EXECUTION),
        ("states:RedriveExecution", CHILD),
        *READ_AND_WRITE_WITH_THE_KEY,
        *((action, SCAN_LOG_STREAM) for action in LOGS),
        *((action, "*") for action in DELIVERY | TRACES_OF_STEP_FUNCTIONS),
    },
}
for _function in ("ScheduledScan", "APIHandler", *CALLED):
    MAY[f"{_function}Role".replace("APIHandler", "ApiHandler")] |= {
        *((action, LOG_STREAM.format(_function)) for action in LOGS),
        *((action, "*") for action in TRACES),
    }
OF_ANOTHER = {
    ("states:StartExecution", f"{MACHINE}-other"),
    ("states:StartExecution", MACHINE.replace("123456789012", "210987654321")),
    ("states:ListExecutions", MACHINE.replace("eu-central-1", "us-east-1")),
    ("states:DescribeExecution", EXECUTION.replace("prod:", "dev:")),
    ("states:RedriveExecution", CHILD.replace("prod/", "prod-other/")),
    ("states:RedriveExecution", CHILD.replace("123456789012", "210987654321")),
    ("s3:GetObject", f"{BUCKET}/other/report.json"),
    ("s3:GetObject", "arn:aws:s3:::other/scans/some-scan/report.json"),
    ("s3:PutObject", "arn:aws:s3:::other/scans/some-scan/pages/0001.json"),
    ("s3:PutObject", "arn:aws:s3:::other/latest.json"),
    ("s3:PutObject", f"{BUCKET}/latest.json.other"),
    ("s3:ListBucket", "arn:aws:s3:::other"),
    ("sns:Publish", f"{TOPIC}-other"),
    ("lambda:InvokeFunction", f"{FUNCTION}:ScheduledScan"),
    ("iam:ListAccessKeys", "arn:aws:iam::210987654321:user/alice"),
    ("iam:ListUserTags", "arn:aws:iam::123456789012:role/alice"),
    ("iam:GetUser", "arn:aws:iam::210987654321:user/alice"),
    ("iam:GetPolicy", "arn:aws:iam::210987654321:policy/own"),
    ("iam:GetGroupPolicy", "arn:aws:iam::210987654321:group/admins"),
    ("kms:Decrypt", f"{KEY}0"),
    ("logs:PutLogEvents", LOG_STREAM.format("Other")),
    ("logs:PutLogEvents", LOG_STREAM.format("ReadPolicy").replace("prod", "dev")),
    ("logs:PutLogEvents", SCAN_LOG_STREAM.replace("prod", "prod-other")),
}
OF_NO_USE = {
    *((f"iam:{action}AccessKey", "arn:aws:iam::123456789012:user/alice") for action in ("Create", "Update", "Delete")),
    ("iam:AttachUserPolicy", "arn:aws:iam::123456789012:user/alice"),
    ("iam:SimulatePrincipalPolicy", "arn:aws:iam::123456789012:user/alice"),
    ("iam:TagUser", "arn:aws:iam::123456789012:user/alice"),
    ("iam:GetCredentialReport", "*"),
    *((f"cloudtrail:{action}", "*") for action in ("StopLogging", "DeleteTrail", "GetTrail", "ListTrails")),
    ("iam:PassRole", "arn:aws:iam::123456789012:role/x"),
    ("sts:AssumeRole", "arn:aws:iam::123456789012:role/x"),
    *((f"states:{action}", EXECUTION) for action in ("RedriveExecution", "GetExecutionHistory", "StopExecution")),
    ("states:StopExecution", CHILD),
    *((f"states:{action}StateMachine", MACHINE) for action in ("Update", "Delete", "Describe")),
    *((f"s3:{action}", REPORTS[0]) for action in ("DeleteObject", "DeleteObjectVersion", "PutObjectAcl")),
    *((f"s3:{action}", BUCKET) for action in ("DeleteBucket", "PutBucketPolicy", "PutLifecycleConfiguration")),
    ("sns:Subscribe", TOPIC),
    ("lambda:UpdateFunctionCode", f"{FUNCTION}:ReadPolicy"),
    ("logs:DeleteLogGroup", LOG_STREAM.format("ReadPolicy")),
    ("logs:GetLogEvents", LOG_STREAM.format("ReadPolicy")),
    ("kms:Encrypt", KEY),
    ("kms:ScheduleKeyDeletion", KEY),
    ("xray:GetTraceSummaries", "*"),
}
CALLS = sorted(set().union(*MAY.values()) | OF_ANOTHER | OF_NO_USE)

# Where the stack scans an organization: what roles may besides, and the roles that it has then.
ORGANIZATION_MACHINE = f"{MACHINE}-organization"
ORGANIZATION_EXECUTION = EXECUTION.replace("prod:", "prod-organization:")
ORGANIZATION_CHILD = CHILD.replace("prod/", "prod-organization/")
OF_A_SCAN = f"{BUCKET}/scans/some-scan"
OF_AN_ACCOUNT = f"{OF_A_SCAN}/accounts/111122223333"
REPORTS_OF_AN_ACCOUNT = [f"{OF_AN_ACCOUNT}/report.{kind}" for kind in ("json", "csv", "html")]
UNCHECKED = f"{OF_A_SCAN}/unchecked/111122223333.json"
LISTED, TO_SCAN = f"{OF_A_SCAN}/accounts.json", f"{OF_A_SCAN}/accounts-to-scan.json"
BASELINES, REQUEST = f"{OF_A_SCAN}/baselines.json", f"{OF_A_SCAN}/request.json"
NAMED, LATEST = f"{BUCKET}/organization/accounts.txt", f"{BUCKET}/organization/latest.json"
READER = "arn:aws:iam::111122223333:role/iam-key-age-reader"
OF_ORGANIZATION = ("ListAccounts", "ScanAccount", "BuildOrganizationReport")
ORGANIZATION_LOG_STREAM = SCAN_LOG_STREAM.replace("prod:", "prod-organization:")
MAY_FOR_ORGANIZATION: dict[str, set[tuple[str, str]]] = {
    "ScheduledScanRole": {("states:StartExecution", ORGANIZATION_MACHINE)},
    "ApiHandlerRole": {
        ("states:StartExecution", ORGANIZATION_MACHINE),
        ("states:ListExecutions", ORGANIZATION_MACHINE),
        ("states:DescribeExecution", ORGANIZATION_EXECUTION),
        ("lambda:InvokeFunction", f"{FUNCTION}:ScanAccount"),
        *(("s3:GetObject", one) for one in (TO_SCAN, UNCHECKED, REQUEST, LATEST, BASELINES, *REPORTS_OF_AN_ACCOUNT)),
        ("s3:GetObject", f"{OF_AN_ACCOUNT}/pages/0001.json"),
        ("s3:PutObject", REQUEST),
        ("kms:GenerateDataKey", KEY),
    },
    "ListAccountsRole": {
        ("organizations:ListAccounts", "*"),
        *(("s3:GetObject", one) for one in (NAMED, LATEST, BASELINES)),
        *(("s3:PutObject", one) for one in (LISTED, TO_SCAN)),
        ("s3:ListBucket", BUCKET),
        *READ_AND_WRITE_WITH_THE_KEY,
    },
    "ScanAccountRole": {
        ("sts:AssumeRole", READER),
        ("s3:GetObject", REPORTS_OF_AN_ACCOUNT[0]),
        *(("s3:PutObject", one) for one in (*REPORTS_OF_AN_ACCOUNT, UNCHECKED)),
        *(("s3:PutObject", f"{OF_AN_ACCOUNT}/{one}") for one in ("account.json", "usage.json", "pages/0001.json")),
        ("s3:ListBucket", BUCKET),
        *READ_AND_WRITE_WITH_THE_KEY,
    },
    "BuildOrganizationReportRole": {
        *(("s3:GetObject", one) for one in (LATEST, LISTED, BASELINES, UNCHECKED, REPORTS_OF_AN_ACCOUNT[0])),
        *(("s3:PutObject", one) for one in (BASELINES, *REPORTS)),
        *(("s3:PutObject", one) for one in REPORTS_OF_AN_ACCOUNT),  # which match scans/*/report.json, too
        ("s3:ListBucket", BUCKET),
        *READ_AND_WRITE_WITH_THE_KEY,
    },
    "OrganizationScanRole": {
        *(("lambda:InvokeFunction", f"{FUNCTION}:{name}") for name in OF_ORGANIZATION),
        ("s3:GetObject", TO_SCAN),
        *(("s3:PutObject", one) for one in (UNCHECKED, LATEST)),
        ("sns:Publish", TOPIC),
        ("states:StartExecution", ORGANIZATION_MACHINE),
        ("states:DescribeExecution", ORGANIZATION_EXECUTION),
        ("states:RedriveExecution", ORGANIZATION_CHILD),
        *READ_AND_WRITE_WITH_THE_KEY,
        *((action, ORGANIZATION_LOG_STREAM) for action in LOGS),
        *((action, "*") for action in DELIVERY | TRACES_OF_STEP_FUNCTIONS),
    },
}
for _function in OF_ORGANIZATION:
    _log_stream = LOG_STREAM.format(_function).replace("BuildOrganizationReport-X", "BuildOrganizationReport")
    MAY_FOR_ORGANIZATION[f"{_function}Role"] |= {
        *((action, _log_stream) for action in LOGS),
        *((action, "*") for action in TRACES),
    }
NEW_ROLES = MAY_FOR_ORGANIZATION.keys() - MAY.keys()
OF_ANOTHER_ORGANIZATION = {
    ("sts:AssumeRole", READER.replace("iam-key-age-reader", "OrganizationAccountAccessRole")),
    ("sts:AssumeRole", f"{READER}-other"),
    ("sts:AssumeRole", READER.replace("role/", "role/path/")),
    ("sts:AssumeRole", READER.replace("role/", "user/")),
    ("s3:GetObject", f"{BUCKET}/other/accounts.txt"),
    ("s3:GetObject", NAMED.replace("reports", "other")),
    ("s3:PutObject", NAMED),
    ("s3:PutObject", f"{BUCKET}/organization/other.json"),
    ("s3:PutObject", f"{BUCKET}/unchecked/111122223333.json"),
    ("states:StartExecution", f"{ORGANIZATION_MACHINE}-other"),
    ("states:DescribeExecution", ORGANIZATION_EXECUTION.replace("123456789012", "210987654321")),
    ("states:RedriveExecution", ORGANIZATION_EXECUTION),
    *((f"organizations:{action}", "*") for action in ("DescribeOrganization", "CloseAccount", "MoveAccount")),
    *((f"organizations:{action}", "*") for action in ("AttachPolicy", "LeaveOrganization", "CreateAccount")),
    ("sts:TagSession", READER),
    ("sts:GetFederationToken", "*"),
}
CALLS_FOR_ORGANIZATION = sorted({*CALLS, *OF_ANOTHER_ORGANIZATION}.union(*MAY_FOR_ORGANIZATION.values()))


def documents_of(template: dict[str, Any], role: str, usage_evidence: str = "on", **more: str) -> list[dict[str, Any]]:
    """The policies of a role with their names resolved, where the stack has a key of the account's own."""
    parts = template["Resources"]
    known = {**STACK, "KmsKeyArn": KEY, "ReportsBucket.Arn": BUCKET, "NotificationsTopic": TOPIC}
    known |= {f"{name}.Arn": f"{FUNCTION}:{name}" for name in (*CALLED, *OF_ORGANIZATION, "CheckDeactivation")}
    known |= {f"{name}.Arn": f"{FUNCTION}:{name}" for name in ("SendEvents", "ImportFindings", "NotifyOwners")}
    known |= {"ReaderRoleName": "iam-key-age-reader", "DeactivatorRoleName": "iam-key-age-deactivator", **more}
    known |= {"UsageEvidence": usage_evidence, **{name: name for name in parts if name.endswith("Role")}}
    own = [policy["PolicyDocument"] for policy in parts[role]["Properties"]["Policies"]]
    beside = [
        part["Properties"]["PolicyDocument"]
        for part in parts.values()
        if part["Type"] == "AWS::IAM::Policy"
        and exists(template, part, known)
        and role in resolve(template, part["Properties"]["Roles"], known)
    ]
    documents: list[dict[str, Any]] = resolve(template, own + beside, known)
    return documents


def allowed(documents: list[dict[str, Any]], calls: list[tuple[str, str]]) -> set[tuple[str, str]]:
    """The calls that one of the documents allows."""
    policies = [IAMPolicy(json.dumps(document)) for document in documents]
    return {
        call
        for call in calls
        if PermissionResult.PERMITTED in {policy.is_action_permitted(*call) for policy in policies}
    }


def unused(documents: list[dict[str, Any]], calls: set[tuple[str, str]]) -> list[str]:
    """The statements that have an action which none of the calls needs."""
    return [
        statement["Sid"]
        for document in documents
        for statement in document["Statement"]
        if {action for action, _ in allowed([{**document, "Statement": [statement]}], sorted(calls))}
        != actions(statement)
    ]
