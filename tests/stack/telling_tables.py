"""What the roles of a stack that notifies others than the topic may besides, and calls that they may not."""

from tests.stack.deactivation_tables import calls as calls_of_others
from tests.stack.deactivation_tables import may as may_otherwise
from tests.stack.role_tables import (
    BUCKET,
    FUNCTION,
    LATEST,
    LOG_STREAM,
    LOGS,
    MAY_FOR_ORGANIZATION,
    PAGE,
    READ_AND_WRITE_WITH_THE_KEY,
    REPORTS,
    REPORTS_OF_AN_ACCOUNT,
    TOPIC,
    TRACES,
)
from tests.stack.test_template_parameters import KEY

BUS = "arn:aws:events:eu-central-1:123456789012:event-bus/security"
DEFAULT_BUS = BUS.replace("security", "default")
PRODUCT = "arn:aws:securityhub:eu-central-1:123456789012:product/123456789012/default"
OWNERS_TOPIC = TOPIC.replace("topic", "iam-key-age-prod-OwnersTopic-X")
SES = "arn:aws:ses:eu-central-1:123456789012"
IDENTITY, CONFIGURATION_SET = f"{SES}:identity/example.com", f"{SES}:configuration-set/iam-key-age-prod-notices"
NOTICE, TEST_NOTICE = (f"{BUCKET}/notices/{folder}{'0' * 32}.json" for folder in ("", "test/"))
SENT = f"{BUCKET}/security-hub/123456789012.json"
OCSF = f"{BUCKET}/scans/some-scan/report.ocsf.json"
OCSF_OF_AN_ACCOUNT = f"{BUCKET}/scans/some-scan/accounts/111122223333/report.ocsf.json"

# What is on, by its parameters.
EVENTS = {"EventBus": BUS}
FINDINGS = {"SecurityHub": "on"}
BY_SES = {"OwnerNotices": "ses", "NoticesFrom": "key-age@example.com", "OwnerDomains": "example.com,example.org"}
BY_SNS = {"OwnerNotices": "sns", "OwnerDomains": "", "NoticesFrom": ""}
FOR_A_TEST = {**BY_SES, "NoticesTestTo": "Tester@example.net"}
WITH_OCSF = {"OcsfReport": "on"}
EVERYTHING = {**EVENTS, **FINDINGS, **BY_SES, **WITH_OCSF, "RemindDays": "7"}
STACKS = {
    "events": EVENTS,
    "events on the default bus": {"EventBus": "default"},
    "security hub": FINDINGS,
    "ses": BY_SES,
    "ses test": FOR_A_TEST,
    "sns": BY_SNS,
    "ocsf": WITH_OCSF,
    "everything": EVERYTHING,
}
NEW_ROLES = {"SendEventsRole", "ImportFindingsRole", "NotifyOwnersRole"}
_MACHINES = ("ScanStateMachineRole", "OrganizationScanRole")
_READ_REPORTS = {("s3:GetObject", REPORTS[0]), ("s3:GetObject", REPORTS_OF_AN_ACCOUNT[0]), ("s3:ListBucket", BUCKET)}


def _own(function: str) -> set[tuple[str, str]]:
    stream = LOG_STREAM.format(function).replace("ImportFindings-X", "ImportFindings")  # which has a name of its own
    logs = {(action, stream) for action in LOGS}
    return logs | {(action, "*") for action in TRACES}


def _invoked(function: str) -> dict[str, set[tuple[str, str]]]:
    return {machine: {("lambda:InvokeFunction", f"{FUNCTION}:{function}")} for machine in _MACHINES}


def _tables(parameters: dict[str, str], accounts: str, deactivation: str) -> list[dict[str, set[tuple[str, str]]]]:
    tables: list[dict[str, set[tuple[str, str]]]] = []
    if bus := parameters.get("EventBus"):
        put = {("events:PutEvents", DEFAULT_BUS if bus == "default" else bus)}
        last = {("s3:GetObject", f"{BUCKET}/latest.json")}
        last |= {("s3:GetObject", LATEST)} if accounts else set()
        own = {*put, *last, *_READ_REPORTS, ("kms:Decrypt", KEY), *_own("SendEvents")}
        tables += [{"SendEventsRole": own}, _invoked("SendEvents")]
        tables += [{"ApplyPlansRole": put}] if deactivation == "apply" else []
    if "SecurityHub" in parameters:
        files = {("s3:GetObject", PAGE), ("s3:GetObject", SENT), ("s3:PutObject", SENT)}
        pages = {("s3:GetObject", f"{REPORTS_OF_AN_ACCOUNT[0].rpartition('/')[0]}/pages/0001.json")}
        calls = {("securityhub:BatchImportFindings", PRODUCT), *READ_AND_WRITE_WITH_THE_KEY}
        own = {*calls, *files, *pages, *_READ_REPORTS, *_own("ImportFindings")}
        tables += [{"ImportFindingsRole": own}, _invoked("ImportFindings")]
    if by := parameters.get("OwnerNotices"):
        mail = {("ses:SendEmail", one) for one in (IDENTITY, f"{SES}:identity/key-age@example.com", CONFIGURATION_SET)}
        files = {(f"s3:{action}Object", one) for action in ("Get", "Put") for one in (NOTICE, TEST_NOTICE)}
        send = mail if by == "ses" else {("sns:Publish", OWNERS_TOPIC)}
        own = {*send, *files, *_READ_REPORTS, *READ_AND_WRITE_WITH_THE_KEY, *_own("NotifyOwners")}
        tables += [{"NotifyOwnersRole": own}, _invoked("NotifyOwners")]
    if "OcsfReport" in parameters:
        both = (OCSF, OCSF_OF_AN_ACCOUNT)
        write = {("s3:PutObject", one) for one in both}
        writers = ("BuildReportRole", "ScanAccountRole", "BuildOrganizationReportRole")
        tables += [{"ApiHandlerRole": {("s3:GetObject", one) for one in both}}, dict.fromkeys(writers, write)]
    return tables


def may(role: str, accounts: str, deactivation: str, parameters: dict[str, str]) -> set[tuple[str, str]]:
    """What a role may by the parameters of the stack."""
    besides = (table.get(role, set()) for table in _tables(parameters, accounts, deactivation))
    return may_otherwise(role, accounts, deactivation, "required").union(*besides)


OF_NO_USE = {
    ("events:PutEvents", BUS.replace("security", "other")),
    ("events:PutEvents", BUS.replace("123456789012", "210987654321")),
    ("events:PutEvents", BUS.replace("eu-central-1", "us-east-1")),
    *((f"events:{action}", BUS) for action in ("DeleteEventBus", "PutPermission", "DescribeEventBus")),
    ("events:PutRule", BUS.replace("event-bus", "rule")),
    ("securityhub:BatchImportFindings", PRODUCT.replace("/123456789012/default", "/aws/guardduty")),
    ("securityhub:BatchImportFindings", PRODUCT.replace("product/123456789012", "product/210987654321")),
    ("securityhub:BatchImportFindings", PRODUCT.replace("eu-central-1", "us-east-1")),
    *((f"securityhub:{action}", "*") for action in ("BatchUpdateFindings", "GetFindings", "DisableSecurityHub")),
    ("ses:SendRawEmail", IDENTITY),
    ("ses:SendBulkEmail", IDENTITY),
    ("ses:SendEmail", IDENTITY.replace("123456789012", "210987654321")),
    ("ses:SendEmail", IDENTITY.replace("eu-central-1", "us-east-1")),
    ("ses:SendEmail", f"{CONFIGURATION_SET}-other"),
    ("ses:SendEmail", f"{SES}:template/other"),
    *((f"ses:{action}", IDENTITY) for action in ("CreateEmailIdentity", "DeleteEmailIdentity", "GetEmailIdentity")),
    *((f"ses:{action}", "*") for action in ("PutAccountSendingAttributes", "DeleteSuppressedDestination")),
    ("sns:Publish", f"{OWNERS_TOPIC}-other"),
    ("sns:Subscribe", OWNERS_TOPIC),
    *((f"s3:{action}Object", f"{BUCKET}/other/notices/x.json") for action in ("Get", "Put")),
    *((f"s3:{action}Object", f"{BUCKET}/notices-other/x.json") for action in ("Get", "Put")),
    *((f"s3:{action}Object", f"{BUCKET}/security-hub-other/x.json") for action in ("Get", "Put")),
    *((f"s3:DeleteObject{version}", one) for version in ("", "Version") for one in (NOTICE, SENT, OCSF)),
    *((f"s3:{action}Object", one.replace("reports", "other")) for action in ("Get", "Put") for one in (NOTICE, SENT)),
    ("lambda:UpdateFunctionCode", f"{FUNCTION}:NotifyOwners"),
}


def calls(role: str, accounts: str) -> list[tuple[str, str]]:
    """The calls that a role is tried with.

    What is of a scan's accounts matches the patterns of a scan's own files, so only roles that are for both are tried
    with it.
    """
    on = [EVERYTHING, {**BY_SNS, "EventBus": "default"}]
    told = set[tuple[str, str]]().union(
        *(calls for one in on for table in _tables(one, "organization", "apply") for calls in table.values())
    )
    if role not in NEW_ROLES and not (accounts and role in MAY_FOR_ORGANIZATION):
        told = {call for call in told if "/accounts/" not in call[1]}
    return sorted({*calls_of_others(role, accounts), *OF_NO_USE, *told})
