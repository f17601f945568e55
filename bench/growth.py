"""How a scan grows with the account: calls, events, payload, time, and what it costs.

`python -m bench.growth` prints both tables, from the same runs.
"""

from bench.cost import PRICED_ON, Counts, price, price_of_other_designs, read_counts
from bench.scans import iam_calls, scan_everyday, scan_quota
from bench.tables import print_table
from localaws.scan_run import ScanResult

SIZES = (100, 500, 1_000, 2_000, 5_000)
PRICED = (100, 1_000, 5_000)
_COMMAND = "python -m bench.growth"


def main() -> None:
    """Scan each size and the quota account; print how they grow, then what they cost."""
    runs = [(f"{users:,} users", users, scan_everyday(users)) for users in SIZES]
    runs.append(("IAM's quota: 5,000 users, names of 64, paths of 512, 10,000 expired keys", 5_000, scan_quota()))
    header = [
        "account",
        "IAM calls",
        "per user",
        "events, of 25,000",
        "largest payload, of 262,144",
        "seconds",
        "ms per call",
    ]
    print_table("Growth", _COMMAND, header, [_growth(*run) for run in runs])
    header = [
        "account",
        "parent",
        "children",
        "Lambda",
        "S3",
        "SNS",
        "a scan",
        *price_of_other_designs(_counts(runs[0])),
    ]
    rows = [_cost(run) for run in runs if run[1] in PRICED]
    print_table("Money", _COMMAND, header, rows, f"US dollars, prices of {PRICED_ON} in us-east-1.")


def _growth(name: str, users: int, result: ScanResult) -> list[str]:
    stats, calls = result.stats, iam_calls(result)
    return [
        name,
        f"{calls:,}",
        f"{calls / users:.2f}",
        f"{stats['history_events']:,}",
        f"{stats['largest_payload_bytes']:,}",
        f"{stats['seconds']:.1f}",
        f"{stats['seconds'] / calls * 1000:.1f}",
    ]


def _counts(run: tuple[str, int, ScanResult]) -> Counts:
    return read_counts(run[2].stats, run[1])


def _cost(run: tuple[str, int, ScanResult]) -> list[str]:
    dollars, others = price(_counts(run)), price_of_other_designs(_counts(run))
    return [run[0], *(f"{part:.5f}" for part in dollars.values()), *(f"{other:.5f}" for other in others.values())]


if __name__ == "__main__":
    main()
