"""Tables at the terminal."""

from collections.abc import Iterable, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

WIDTH_IN_FILES = 160  # characters, where nobody watches: in a file or a pipe no line needs to be broken


def print_table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, words: int | None = None, title: str = "") -> None:
    """Print a table. words: so many columns from the left hold words, the others numbers, set to the right; all hold words by default."""
    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console.width = WIDTH_IN_FILES
    table = Table(box=SIMPLE_HEAD, pad_edge=False, title=title, title_justify="left")
    for place, head in enumerate(heads):
        holds_words = words is None or place < words
        table.add_column(head, justify="left" if holds_words else "right", no_wrap=words is not None and holds_words)
    for row in rows:
        table.add_row(*row)
    console.print(table)
