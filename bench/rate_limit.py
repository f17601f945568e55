"""Time under a rate limit of IAM, against the least there can be: calls divided by the rate.

`python -m bench.rate_limit` prints two tables and draws docs/rate-limit.svg. The bucket lets 20 calls a second through
and 20 at once; each call takes 50 ms. Variants that the stack has no parameter for are made in the definition.
"""

import json
from dataclasses import dataclass
from statistics import median
from typing import Any

from bench.accounts import young_account
from bench.scans import iam_calls
from bench.tables import print_table
from localaws.environment import PROJECT, LocalAws
from localaws.faults import parse_faults

RATE = BURST = 20
USERS = 200
REPEATS = 3
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
CONCURRENCIES = [Variant(f"children at a time: {children}", children) for children in (1, 2, 3, 5)]
OTHERS = [
    Variant("a child's 20 users all at once", users_at_once=20),
    Variant("a child's users 5 at once", users_at_once=5),
    Variant("10 users a child", users_a_child=10),
    Variant("50 users a child", users_a_child=50),
    Variant("waits up to 4 s at most", wait=_WAIT.replace("15", "4")),
    Variant("waits up to 60 s", wait=_WAIT.replace("15", "60")),
]


def main() -> None:
    """Run all variants on one local AWS, but for the one with more users."""
    measured: dict[str, list[dict[str, float]]] = {}
    variants = (SHIPPED, *CONCURRENCIES, *OTHERS)
    for users in (SHIPPED.users, USERS):
        with LocalAws(young_account(users)) as aws:
            states, arn = aws.client("stepfunctions"), aws.outputs()["StateMachineArn"]
            definition = states.describe_state_machine(stateMachineArn=arn)["definition"]
            for variant in variants:
                if variant.users == users:
                    states.update_state_machine(stateMachineArn=arn, definition=variant.of(definition))
                    repeats = 1 if variant is SHIPPED else REPEATS
                    measured[variant.name] = [_measure(aws) for _ in range(repeats)]
    header = ["", "users", "throttled", "seconds with IAM", "minimum", "ratio", "from … to", "unchecked"]
    rows = [_row(variant, measured[variant.name]) for variant in variants]
    note = (
        f"The minimum is the calls beyond the burst, divided by the rate. Medians of {REPEATS} runs, but for the first."
    )
    print_table("Under a rate limit", _COMMAND, header, rows, note)
    _plot([measured[variant.name] for variant in CONCURRENCIES], [variant.children for variant in CONCURRENCIES])


def _measure(aws: LocalAws) -> dict[str, float]:
    limit: dict[str, Any] = {"rate_per_second": RATE, "burst": BURST, "latency_ms": 50}
    aws.inject(parse_faults(json.dumps({"iam": limit})))
    result = aws.scan("{}")
    if result.error:
        raise RuntimeError(f"the scan {result.status}: {result.error}")
    answered = iam_calls(result) - result.stats["throttled"]
    least, seconds = (answered - BURST) / RATE, result.stats["iam_seconds"]
    return {
        "throttled": result.stats["throttled"],
        "seconds": seconds,
        "least": least,
        "ratio": seconds / least,
        "unchecked": result.report["coverage"]["users_unchecked"],
    }


def _row(variant: Variant, runs: list[dict[str, float]]) -> list[str]:
    middle = {name: median(run[name] for run in runs) for name in runs[0]}
    ratios = [run["ratio"] for run in runs]
    return [
        variant.name,
        f"{variant.users:,}",
        f"{middle['throttled']:,.0f}",
        f"{middle['seconds']:.1f}",
        f"{middle['least']:.1f}",
        f"{middle['ratio']:.2f}",
        f"{min(ratios):.2f} … {max(ratios):.2f}",
        f"{max(run['unchecked'] for run in runs):.0f}",
    ]


def _plot(runs: list[list[dict[str, float]]], children: list[int]) -> None:
    from matplotlib import pyplot

    figure, (time, calls) = pyplot.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    for number, of_one in zip(children, runs, strict=True):
        time.plot([number] * len(of_one), [run["seconds"] for run in of_one], "o", color="tab:blue", alpha=0.5)
    time.plot(children, [median(run["seconds"] for run in of_one) for of_one in runs], label="median")
    time.plot(children, [of_one[0]["least"] for of_one in runs], linestyle="--", color="gray", label="the least")
    time.set(xlabel="children at a time (IamConcurrency)", ylabel="seconds with IAM", xticks=children)
    time.set_ylim(bottom=0)
    time.legend(loc="lower right")
    calls.bar(children, [median(run["throttled"] for run in of_one) for of_one in runs], color="tab:orange")
    calls.set(xlabel="children at a time (IamConcurrency)", ylabel="calls throttled", xticks=children)
    figure.suptitle(f"{USERS} users, IAM at {RATE} calls a second, 50 ms each")
    figure.savefig(PROJECT / "docs" / "rate-limit.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
