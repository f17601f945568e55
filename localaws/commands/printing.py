"""How a person reads lines: wrapped between words alone, so that no name and no access key id is cut."""

import textwrap

from rich.console import Console
from rich.rule import Rule
from rich.text import Text

_RULE = 4  # columns that a rule takes beside its title


def print_wrapped(console: Console, text: str, style: str = "") -> None:
    """Print lines, wrapped between words alone: a word that is longer than the terminal is wide stays whole."""
    for line in text.split("\n"):
        wrapped = textwrap.fill(line, console.width, break_long_words=False, break_on_hyphens=False)
        console.print(Text(wrapped, style=style), soft_wrap=True)


def print_heading(console: Console, title: str) -> None:
    """Print a title, in a rule where it fits."""
    if len(title) + _RULE <= console.width:
        console.print(Rule(title, align="left", style="dim"))
    else:  # a rule would cut it
        print_wrapped(console, title, "dim")
