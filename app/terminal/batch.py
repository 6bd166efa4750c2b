"""A batch at the terminal: how far it is, and what came of it."""

from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from app.batch import run
from app.errors import Lang
from app.terminal.words import word


def watch(batch: run.Run, lang: Lang) -> None:
    """Make a batch go to its end, with a bar, rate, remaining time and counts on standard error where a person looks at it."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=20), MofNCompleteColumn(), TextColumn("{task.fields[told]}"))
    bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    with bar:
        task = bar.add_task(word("checking", lang), total=None, told="")
        for progress in batch:
            bar.update(task, completed=progress.done, total=progress.total, told=_told(progress, lang))


def _told(progress: run.Progress, lang: Lang) -> str:
    remaining = "–" if progress.remaining_s is None else str(timedelta(seconds=round(progress.remaining_s)))
    return word("batch-progress", lang, rate=_decimal(progress.rate, lang), remaining=remaining, **counts(progress))


def counts(progress: run.Progress) -> dict[str, int]:
    """The counts that words.toml's sentences take."""
    return {name: getattr(progress, name) for name in ("clear", "review", "unclear", "failed")}


def _decimal(number: float, lang: Lang) -> str:
    return f"{number:.1f}".replace(".", "," if lang == "id" else ".")
