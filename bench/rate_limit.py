"""Time under a rate limit of IAM, against the least there can be: calls divided by the rate.

`python -m bench.rate_limit` prints two tables and draws docs/rate-limit.svg. The bucket lets 20 calls a second through
and 20 at once; each call takes 50 ms. Variants that the stack has no parameter for are made in the definition.
"""

import json
from dataclasses import dataclass
from typing import Any

from bench.accounts import young_account
from bench.scans import iam_calls, whole
from bench.tables import print_table
from localaws.faults import parse_faults
from localaws.harness import PROJECT, LocalAws, ScanResult

RATE = 20
USERS = 300
_COMMAND = "python -m bench.rate_limit"
_WAIT = "$floor($random() * $min([15, $power(2, $tries)]))"


@dataclass(frozen=True)
class Variant:
    """One way to ask for users; as the definition ships, but for what is named."""

    name: str
    children: int = 2
    users_at_once: int = 1  # in a child
    users_a_child: int = 20
    wait: str = _WAIT
    users: int = USERS

    def of(self, definition: str) -> str:
        """Make the definition that asks so."""
        for part, other in (
            ("$number('2')", f"$number('{self.children}')"),
            ('"MaxConcurrency": 1,', f'"MaxConcurrency": {self.users_at_once},'),
            ("$partition($listed, 20)", f"$partition($listed, {self.users_a_child})"),
            (_WAIT, self.wait),
        ):
            if part not in definition:
                raise ValueError(f"the definition has no {part}")
            definition = definition.replace(part, other)
        return definition


SHIPPED = Variant("as shipped", users=1_000)
CONCURRENCIES = [Variant(f"children at a time: {children}", children) for children in (1, 2, 3, 4, 5)]
OTHERS = [
    Variant("a child's 20 users all at once", users_at_once=20),
    Variant("a child's users 4 at once", users_at_once=4),
    Variant("10 users a child", users_a_child=10),
    Variant("50 users a child", users_a_child=50),
    Variant("waits up to 4 s at most", wait=_WAIT.replace("15", "4")),
    Variant("waits up to 60 s", wait=_WAIT.replace("15", "60")),
]


def main() -> None:
    """Run all variants on one local AWS."""
    measured: dict[str, dict[str, float]] = {}
    for users in (SHIPPED.users, USERS):
        with LocalAws(young_account(users)) as aws:
            states, arn = aws.client("stepfunctions"), aws.outputs()["StateMachineArn"]
            definition = states.describe_state_machine(stateMachineArn=arn)["definition"]
            for variant in (SHIPPED, *CONCURRENCIES, *OTHERS):
                if variant.users == users:
                    states.update_state_machine(stateMachineArn=arn, definition=variant.of(definition))
                    measured[variant.name] = _measure(aws)
    header = ["", "users", "IAM calls", "throttled", "seconds", "calls ÷ rate", "ratio"]
    rows = [_row(variant, measured[variant.name]) for variant in (SHIPPED, *CONCURRENCIES, *OTHERS)]
    note = f"IAM lets {RATE} calls a second through; nobody was unchecked. The plot: docs/rate-limit.svg."
    print_table("Under a rate limit", _COMMAND, header, rows, note)
    _plot([measured[variant.name] for variant in CONCURRENCIES], [variant.children for variant in CONCURRENCIES])


def _measure(aws: LocalAws) -> dict[str, float]:
    limit: dict[str, Any] = {"rate_per_second": RATE, "burst": RATE, "latency_ms": 50}
    aws.inject(parse_faults(json.dumps({"iam": limit})))
    result: ScanResult = whole(aws.scan("{}"))
    answered = iam_calls(result) - result.stats["throttled"]
    seconds = result.stats["iam_seconds"]
    return {
        "calls": iam_calls(result),
        "throttled": result.stats["throttled"],
        "seconds": seconds,
        "least": answered / RATE,
        "ratio": seconds * RATE / answered,
    }


def _row(variant: Variant, taken: dict[str, float]) -> list[str]:
    counts = [f"{variant.users:,}", f"{taken['calls']:,.0f}", f"{taken['throttled']:,.0f}"]
    return [variant.name, *counts, f"{taken['seconds']:.1f}", f"{taken['least']:.1f}", f"{taken['ratio']:.2f}"]


def _plot(taken: list[dict[str, float]], children: list[int]) -> None:
    from matplotlib import pyplot

    figure, (time, calls) = pyplot.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    time.plot(children, [run["seconds"] for run in taken], marker="o", label="measured")
    time.plot(children, [run["least"] for run in taken], linestyle="--", color="gray", label="calls ÷ rate")
    time.set(xlabel="children at a time (IamConcurrency)", ylabel="seconds with IAM", xticks=children, ylim=(0, None))
    time.legend()
    calls.bar(children, [run["throttled"] for run in taken], color="tab:orange")
    calls.set(xlabel="children at a time (IamConcurrency)", ylabel="calls throttled", xticks=children)
    figure.suptitle(f"{USERS} users, IAM at {RATE} calls a second, 50 ms each")
    figure.savefig(PROJECT / "docs" / "rate-limit.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
