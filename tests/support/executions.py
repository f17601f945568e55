"""Executions of state machines on a running local AWS."""

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from localaws.environment import LocalAws


def ended(aws: "LocalAws", execution_arn: str) -> dict[str, Any]:
    """Return an execution, as DescribeExecution does, once it has ended."""
    states = aws.client("stepfunctions")
    while (execution := states.describe_execution(executionArn=execution_arn))["status"] == "RUNNING":
        time.sleep(0.05)
    return dict(execution)
