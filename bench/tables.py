"""Tables as docs/performance.md keeps them: printed as Markdown, with the command that prints them."""

from collections.abc import Sequence


def print_table(title: str, command: str, header: Sequence[str], rows: Sequence[Sequence[str]], note: str = "") -> None:
    """Print a table under its title and command."""
    lines = [f"\n## {title}\n", f"`{command}`\n", _row(header), "|" + "---|" * len(header), *map(_row, rows)]
    print("\n".join([*lines, *([f"\n{note}"] if note else [])]), flush=True)  # noqa: T201


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
