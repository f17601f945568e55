"""The operations of the REST API, each written once: app.py's routes and the OpenAPI document are made of this table.

Pure. A new filter of a list has to join what its `next` tokens are bound to: `filters` in `responses.py`.
"""

from dataclasses import dataclass

from chalicelib.api.parameters import (
    ACCOUNT_ID,
    ACTION_ID,
    FORMAT,
    IDEMPOTENCY_KEY,
    KIND,
    LIMIT,
    NEXT,
    OUTCOME,
    PLAN_STATUS,
    SCAN_ID,
    SEVERITY,
    STATUS,
    USER_NAME,
    VERDICT,
    Parameter,
)


@dataclass(frozen=True)
class Operation:
    """A method and a path, what it does, and what it takes; `name` is its operationId."""

    method: str
    path: str
    name: str
    summary: str
    parameters: tuple[Parameter, ...] = ()
    body: str | None = None  # the name of its schema

    @property
    def query_parameters(self) -> tuple[Parameter, ...]:
        """The parameters of the query string."""
        return tuple(parameter for parameter in self.parameters if parameter.place == "query")


START_SCAN = Operation(
    "POST",
    "/scan",
    "startScan",
    "Start a scan; the body is a scan policy, an empty one the stage's settings.",
    (IDEMPOTENCY_KEY,),
    body="ScanRequest",
)
LIST_SCANS = Operation(
    "GET", "/scan", "listScans", "List the scans of the last 90 days, newest first.", (STATUS, KIND, LIMIT, NEXT)
)
GET_SCAN = Operation(
    "GET",
    "/scan/{scan_id}",
    "getScan",
    "Tell where a scan is and, once it has ended, what it found.",
    (SCAN_ID,),
)
LIST_FINDINGS = Operation(
    "GET",
    "/scan/{scan_id}/findings",
    "listFindings",
    "List the keys that a scan found, the most severe first, then the oldest.",
    (SCAN_ID, ACCOUNT_ID, VERDICT, SEVERITY, USER_NAME, LIMIT, NEXT),
)
LIST_ACCOUNTS = Operation(
    "GET",
    "/scan/{scan_id}/accounts",
    "listAccounts",
    "List the accounts of a scan of an organization, and what became of each.",
    (SCAN_ID, OUTCOME, LIMIT, NEXT),
)
GET_REPORT = Operation(
    "GET",
    "/scan/{scan_id}/report",
    "getReport",
    "Go to a rendering of a scan's report: a link that works for 5 minutes, without a signature.",
    (SCAN_ID, FORMAT, ACCOUNT_ID),
)
GET_PLAN = Operation(
    "GET",
    "/scan/{scan_id}/plan",
    "getPlan",
    "List the keys that are to be deactivated, when, and what holds them; and who approved which.",
    (SCAN_ID, PLAN_STATUS, ACCOUNT_ID, LIMIT, NEXT),
)
APPROVE_PLAN = Operation(
    "POST",
    "/scan/{scan_id}/plan/approve",
    "approvePlan",
    "Have keys that are due deactivated, all of those that the body names or none; one approval a scan.",
    (SCAN_ID,),
    body="ApprovalRequest",
)
LIST_ACTIONS = Operation(
    "GET", "/actions", "listActions", "List the keys that were deactivated, or were to be, by their ids.", (LIMIT, NEXT)
)
GET_ACTION = Operation(
    "GET",
    "/actions/{action_id}",
    "getAction",
    "Tell who approved the deactivation of a key, when, why, what became of it, and whether it was undone.",
    (ACTION_ID,),
)
UNDO_ACTION = Operation(
    "POST",
    "/actions/{action_id}/undo",
    "undoAction",
    "Activate a key again that was deactivated; it is not deactivated a second time.",
    (ACTION_ID,),
)
GET_OPENAPI = Operation("GET", "/openapi.json", "getOpenapi", "Give this document.")
OPERATIONS = (
    *(START_SCAN, LIST_SCANS, GET_SCAN, LIST_FINDINGS, LIST_ACCOUNTS, GET_REPORT),
    *(GET_PLAN, APPROVE_PLAN, LIST_ACTIONS, GET_ACTION, UNDO_ACTION, GET_OPENAPI),
)
