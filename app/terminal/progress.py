"""How far a run is, on standard error and only where a person looks at it."""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app.terminal.words import word
from gestures.words import Lang


@contextmanager
def progress(total: int, lang: Lang) -> Iterator[Callable[[], AbstractContextManager[None]]]:
    """Show a bar for `total` photos. Gives a context to print each photo's result in, which moves the bar on."""
    console = Console(stderr=True)
    if total < 2 or not console.is_terminal:
        yield nullcontext
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False)
    task = bar.add_task(word("checking", lang), total=total)
    shares_screen = sys.stdout.isatty()

    @contextmanager
    def step() -> Iterator[None]:
        if shares_screen:
            bar.stop()
        yield
        bar.advance(task)
        bar.start()

    with bar:
        yield step
