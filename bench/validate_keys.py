"""Keys a second and peak memory of `evaluate_page`, beside a plain `strptime` loop on the same input.

`python -m bench.validate_keys` prints a table; `python -m bench.validate_keys AGES WAY` one measurement as JSON.
"""

import json
import subprocess
import sys
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from bench.accounts import account_facts
from bench.tables import print_table
from chalicelib.evaluation.page import ScanContext, evaluate_page
from chalicelib.instants import format_instant
from chalicelib.policy import ScanPolicy

_AS_OF = datetime(2026, 11, 23, 8, 0, 0, tzinfo=UTC)
_PAGES, _USERS_A_PAGE, _KEYS_A_USER = 100, 100, 2
_ROUNDS = 5
_AGES = {"all in time": (3, 71), "4 in 10 expired": (3, 150)}

Page = list[dict[str, Any]]


def make_pages(youngest: int, oldest: int) -> list[Page]:
    """Make pages of outcomes as the state machine hands them over; old keys with details."""
    return [[_outcome(page, number, youngest, oldest) for number in range(_USERS_A_PAGE)] for page in range(_PAGES)]


def judge_all(pages: list[Page]) -> Counter[str]:
    """Do what `validate_keys` does, but for S3."""
    names = [outcome["user_name"] for page in pages for outcome in page]
    terms = ScanContext(
        "scan-1", "123456789012", _AS_OF, ScanPolicy(), account_facts(names, {"owner": "team@example.com"})
    )
    totals: Counter[str] = Counter()
    for number, outcomes in enumerate(pages, start=1):
        page = evaluate_page(terms, number, [outcome["user_name"] for outcome in outcomes], outcomes)
        totals.update({name: page["totals"][name] for name in ("expired", "due_soon", "ok")})
    return totals


def loop_over_all(pages: list[Page]) -> Counter[str]:
    """Do the least that gives the same counts, with `strptime`."""
    totals: Counter[str] = Counter()
    for outcomes in pages:
        for outcome in outcomes:
            for key in outcome["keys"]:
                if key["status"] != "Active":
                    continue
                created_at = datetime.strptime(key["created_at"], "%Y-%m-%dT%H:%M:%S%z")
                age = _AS_OF - created_at
                if age > timedelta(days=90):
                    totals["expired"] += 1
                elif age > timedelta(days=76):
                    totals["due_soon"] += 1
                else:
                    totals["ok"] += 1
    return totals


def measure(ages: str, way: str) -> dict[str, float]:
    """Measure one way on one mix of ages, in this process: the best of some rounds, then the memory of one more."""
    pages = make_pages(*_AGES[ages])
    work: Callable[[list[Page]], Counter[str]] = {"evaluate_page": judge_all, "strptime": loop_over_all}[way]
    seconds = min(_timed(work, pages) for _ in range(_ROUNDS))
    tracemalloc.start()
    totals = work(pages)
    peak = tracemalloc.get_traced_memory()[1]
    return {"keys_a_second": sum(totals.values()) / seconds, "peak_kb": peak / 1024, **totals}


def main() -> None:
    """Measure both ways on both mixes, each in a process of its own."""
    rows = []
    for ages in _AGES:
        ours, theirs = _run(ages, "evaluate_page"), _run(ages, "strptime")
        if any(ours.get(name, 0) != theirs.get(name, 0) for name in ("expired", "due_soon", "ok")):
            raise AssertionError("the two do not count the same")
        rows.append(
            [
                ages,
                f"{ours['keys_a_second']:,.0f}",
                f"{theirs['keys_a_second']:,.0f}",
                f"{ours['keys_a_second'] / theirs['keys_a_second']:.2f}",
                f"{ours['peak_kb']:,.0f} KB",
                f"{theirs['peak_kb']:,.0f} KB",
            ]
        )
    header = [
        "20,000 keys on 100 pages",
        "evaluate_page, keys/s",
        "strptime loop, keys/s",
        "ratio",
        "peak",
        "loop's peak",
    ]
    print_table("validate_keys", "python -m bench.validate_keys", header, rows)


def _run(ages: str, way: str) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.validate_keys", ages, way]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603  # this file
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def _timed(work: Callable[[list[Page]], Counter[str]], pages: list[Page]) -> float:
    began = time.perf_counter()
    work(pages)
    return time.perf_counter() - began


def _outcome(page: int, number: int, youngest: int, oldest: int) -> dict[str, Any]:
    spread = oldest - youngest
    ages = [youngest + (page * 31 + number * 17 + index * 53) % spread for index in range(_KEYS_A_USER)]
    keys = [
        {
            "access_key_id": f"AKIA{page:06}{number:06}{index:04}",
            "status": "Active",
            "created_at": format_instant(_AS_OF - timedelta(days=age, seconds=number)),
        }
        for index, age in enumerate(ages)
    ]
    outcome: dict[str, Any] = {"user_name": f"user-{page:03}-{number:03}", "outcome": "checked", "keys": keys}
    if max(ages) >= 76:  # noqa: PLR2004  # due soon, or older
        used = {"at": format_instant(_AS_OF - timedelta(days=1)), "service": "s3", "region": "us-east-1"}
        outcome["details"] = {"last_used": [used] * len(keys), "cause": ""}
    return outcome


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(sys.argv[1], sys.argv[2])))  # noqa: T201
    else:
        main()
