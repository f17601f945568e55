"""All benchmarks, one after the other: `make bench`. What they printed is in docs/performance.md."""

import subprocess
import sys
import time

PARTS = (
    "peers",
    "rate_limit",
    "growth",
    "validate_keys",
    "cold_start",
    "read_account",
    "build_report",
    "scan_account",
    "organization_report",
    "organization",
    "deactivation",
)


def main() -> int:
    """Run each in a process of its own; return 1 if one failed."""
    began = time.monotonic()
    failed = [part for part in PARTS if subprocess.run([sys.executable, "-m", f"bench.{part}"], check=False).returncode]  # noqa: S603
    print(f"\nAll of it took {(time.monotonic() - began) / 60:.1f} minutes.")  # noqa: T201
    if failed:
        print(f"These failed: {', '.join(failed)}", file=sys.stderr)  # noqa: T201
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
