"""The operations of the REST API, each written once: app.py's routes and the OpenAPI document are made of this table.

Pure. A new filter of a list has to join what its `next` tokens are bound to: `filters` in `responses.py`.
"""

from dataclasses import dataclass

from chalicelib.api.parameters import (
    ACCOUNT_ID,
    FORMAT,
    IDEMPOTENCY_KEY,
    KIND,
    LIMIT,
    NEXT,
    OUTCOME,
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
GET_OPENAPI = Operation("GET", "/openapi.json", "getOpenapi", "Give this document.")
OPERATIONS = (START_SCAN, LIST_SCANS, GET_SCAN, LIST_FINDINGS, LIST_ACCOUNTS, GET_REPORT, GET_OPENAPI)
