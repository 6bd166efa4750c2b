"""A batch at the terminal: how far it is."""

from datetime import timedelta

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from app.batch import run
from app.terminal.words import word
from gestures.words import Lang


def watch(batch: run.Run, lang: Lang) -> None:
    """Make a batch go to its end, with a bar, rate, remaining time and counts on standard error where a person looks at it."""
    console = Console(stderr=True)
    if not console.is_terminal:
        for _ in batch:
            pass
        return
    bar = Progress(TextColumn("{task.description}"), BarColumn(bar_width=20), MofNCompleteColumn(), TextColumn("{task.fields[pace]}"))
    task = bar.add_task(word("checking", lang), total=None, pace="")
    with Live(bar, console=console, transient=True, redirect_stdout=False, redirect_stderr=False) as live:
        for progress in batch:
            bar.update(task, completed=progress.done, total=progress.total, pace=_pace(progress, lang))
            live.update(Group(bar, Text(word("batch-counts", lang, **progress.counts), style="dim")))


def _pace(progress: run.Progress, lang: Lang) -> str:
    remaining = "–" if progress.remaining_s is None else str(timedelta(seconds=round(progress.remaining_s)))
    return word("batch-pace", lang, rate=_decimal(progress.rate, lang), remaining=remaining)


def _decimal(number: float, lang: Lang) -> str:
    return f"{number:.1f}".replace(".", "," if lang == "id" else ".")
