"""The command `jari`, for people at a terminal and for scripts."""

import errno
import io
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import wraps
from gettext import gettext
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

# The libraries behind a check take a second to load, so commands import them when they run, and `jari --help` answers at once.
if TYPE_CHECKING:
    from app.batch.run import Workers
    from app.settings import Settings
    from gestures import FinderName
    from gestures.words import Lang

BROKEN_PIPE = 128 + 13
INTERRUPTED = 128 + 2

# What brings the libraries of the system that OpenCV is linked to, and a bare server lacks.
LIBRARIES = "apt-get install libgl1 libglib2.0-0"


class Failure(click.ClickException):
    """An error that is told as a message, with exit status 2."""

    exit_code = 2

    def __init__(self, title: str, detail: str) -> None:
        super().__init__(f"{title}\n{detail}")

    def show(self, file: Any = None) -> None:  # noqa: ANN401 - as in click
        """Print the message on standard error."""
        click.echo(self.message, file=file, err=True)


def main() -> None:
    """Run the command line. Nothing that a person can cause ends in a traceback."""
    from app.terminal.printable import printable
    from app.terminal.quiet import mute_native_stderr
    from app.terminal.usage import language_of, speak

    _open_standard_streams()
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever started us, who wants to hear nothing
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115 - until the end
    # The log is the service's, which sets it up; Python would write bare lines of it into what a person or a script reads here.
    logging.getLogger("app").addHandler(logging.NullHandler())
    if os.environ.get("JARI_LOG_LEVEL") != "debug":  # an abort of native code says why there
        mute_native_stderr()
    speak(cli, language_of(sys.argv[1:]))
    try:
        cli.main(prog_name="jari", standalone_mode=False)
    except click.ClickException as error:
        error.show(said := io.StringIO())
        click.echo("\n".join(map(printable, said.getvalue().split("\n"))), err=True, nl=False)  # it may quote names of files
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(INTERRUPTED)
    except ImportError as error:
        library, missing, _ = str(error).partition(": cannot open shared object file")  # as the system's loader says it
        if not missing:
            raise
        title = gettext("A library of this system is missing: {library}").format(library=library)
        Failure(title, gettext("On Debian and Ubuntu this mends it, as root: {command}").format(command=LIBRARIES)).show()
        sys.exit(1 if sys.argv[1:2] == ["doctor"] else Failure.exit_code)


def _open_standard_streams() -> None:
    """Whoever started us may have closed descriptors 0 to 2. The next files to be opened would take their places, and their output."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)


def in_language(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the option --lang, and tell its errors in that language."""

    @click.option(
        "--lang", type=click.Choice(["id", "en"]), default="id", envvar="JARI_LANG", show_default=True, show_envvar=True, help="Language."
    )
    @wraps(command)
    def wrapped(lang: "Lang", **options: object) -> None:
        try:
            try:
                command(lang=lang, **options)
            finally:
                sys.stdout.flush()  # as long as it can still be told that it fails
        except BrokenPipeError:  # whoever read us has seen enough, as `head` does
            _forget_output()
            sys.exit(BROKEN_PIPE)
        except (click.ClickException, ImportError):  # a library that cannot be loaded is told by `main`, without the words for all else
            raise
        except Exception as error:
            from app.errors import ServiceError
            from app.terminal.words import TerminalError, problem
            from gestures import GesturesError

            if isinstance(error, OSError) and error.filename:  # of a file or folder that was given
                error = TerminalError("place-unusable", path=error.filename, reason=error.strerror)
            elif isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
                _forget_output()
                error = TerminalError("output-not-written", reason=error.strerror)
            if not isinstance(error, GesturesError | ServiceError | TerminalError):
                raise
            said = problem(error, lang)
            raise Failure(said.title, said.detail) from None

    return wrapped


def _forget_output() -> None:
    """Standard output takes no more; what is left for it must not be tried again when the program ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(version("jari-netral"), prog_name="jari", message="%(prog)s %(version)s")
def cli() -> None:
    """Check hand poses in photos before they are posted.

    Tells, before a photo is posted, whether a hand pose in it could be read as a candidate's number. It advises and
    decides nothing. Photos are checked on this machine, unless `jari batch` is given a cluster, and `jari check`
    keeps none of them.
    """


# What several commands take.
CONTEST = click.option(
    "--contest", metavar="NAME|FILE", help="Which numbers and lists apply: a name that `jari contests` gives, or a file."
)
FINDER = click.option("--finder", type=click.Choice(["search", "mediapipe"]), help="Find hands of any size (search), or near ones only.")


@cli.command(short_help="Check photos and folders of photos.")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@click.option(
    "--format", "format_", type=click.Choice(["table", "jsonl", "csv"]), default="table", show_default=True, help="What to print."
)
@CONTEST
@FINDER
@click.option("--annotate", "folder", metavar="DIR", type=click.Path(path_type=Path), help="Write copies with the hands marked to DIR.")
@click.option("--jobs", metavar="N", type=click.IntRange(1, 64), default=1, show_default=True, help="Check so many photos at once.")
@in_language
def check(
    paths: tuple[str, ...], format_: str, contest: str | None, finder: str | None, folder: Path | None, jobs: int, lang: "Lang"
) -> None:
    """Check photos, and folders of photos at any depth.

    A folder's files are checked where they have a picture's ending; a file that is named itself is always tried; "-" is
    standard input. Results go to standard output in the order of the paths (in a folder, sorted), as soon as they are
    there: a table, JSON lines (an object a photo) or CSV (a row a hand). Progress goes to standard error.

    \b
    Exit status:
      0  no pose to review was found (no guarantee)
      1  a photo needs a look: a pose may be read as a number, or a hand is unclear
      2  a photo could not be checked, or the command is wrong
    """
    from app.terminal.checking import check_all
    from app.terminal.copies import Copies, copies_in
    from app.terminal.progress import progress
    from app.terminal.results import result_writer
    from app.terminal.sources import sources
    from app.terminal.words import word
    from gestures import load_contest

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8" if format_ != "table" else None, errors="replace")
    settings = _settings(finder=finder)
    rules = load_contest(contest or settings.contest)
    passed: list[Path] = []
    photos = list(sources(paths, but=copies_in(folder) if folder else lambda path: False, passed=passed.append))
    copies = Copies(folder, photos) if folder else None
    writer = result_writer(format_, sys.stdout, lang, [photo.name for photo in photos])
    levels = set()
    with progress(len(photos), lang) as step:
        for outcome in check_all(photos, settings.setup, jobs=jobs, contest=rules, copies=bool(copies), lang=lang):
            levels.add(outcome.level)
            with step():
                writer.write(outcome.result)
            if copies:
                copies.write(outcome)
    writer.end()
    # A folder may be named twice, and a file beside its folder.
    if others := set(map(os.path.realpath, passed)) - {os.path.realpath(photo.path) for photo in photos if photo.path}:
        click.echo(word("passed-over", lang, count=len(others)), err=True)
    sys.exit(2 if "failed" in levels else 1 if levels - {"clear"} else 0)


@cli.command(short_help="Check thousands of photos, with a report.")
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True)
@click.option("--out", metavar="DIR", type=click.Path(path_type=Path), required=True, help="Folder for the ledger, results and reports.")
@CONTEST
@FINDER
@click.option("--jobs", metavar="N", type=click.IntRange(1, 64), help="Check so many photos at once.  [default: the cores, at most 2]")
@click.option("--cluster", metavar="tcp://HOST:8786", help="Check on the Dask cluster whose scheduler is there, not on this machine.")
@click.option("--no-crops", is_flag=True, help="Keep and show no piece of any photo.")
@click.option("--recheck", is_flag=True, help="Forget what DIR knows, and check all photos again.")
@in_language
def batch(
    sources: tuple[str, ...],
    out: Path,
    contest: str | None,
    finder: str | None,
    jobs: int | None,
    cluster: str | None,
    no_crops: bool,
    recheck: bool,
    lang: "Lang",
) -> None:
    """Check any number of photos, and write a report to look through.

    A SOURCE is a folder (at any depth), a file, a pattern such as 'acara/*.jpg', a ZIP archive, or a URL such as
    s3://bucket/folder. DIR gets report.html, report.xlsx, report.csv, results.jsonl and a ledger of what is done: the
    same command goes on where it was stopped, checks no photo twice, and takes a changed contest over to what was found.

    \b
    Exit status:
      0  no pose to review was found (no guarantee)
      1  a photo needs a look: a pose may be read as a number, or a hand is unclear
      2  a photo could not be checked, or the command is wrong
    """
    from app.batch.files import check_free, write_files
    from app.batch.ledger import Ledger
    from app.batch.run import Run
    from app.batch.sources import Sources
    from app.terminal.batch import watch
    from app.terminal.words import word
    from gestures import load_contest

    settings = _settings(finder=finder, workers=jobs)
    rules = load_contest(contest or settings.contest)
    photos = Sources(sources)
    photos.check()
    check_free(out)
    with Ledger(out, settings.setup, rules, pictures=not no_crops) as ledger, _workers(settings, cluster) as workers:
        run = Run(photos, ledger, workers, most_bytes=settings.limits.bytes, recheck=recheck)
        try:
            watch(run, lang)
            files = write_files(ledger, lang)
        except KeyboardInterrupt:
            key = "batch-stopped-recheck" if recheck else "batch-stopped"
            click.echo(word(key, lang, done=run.progress.done, total=run.progress.total, folder=out), err=True)
            raise
    levels = run.progress.counts
    click.echo(word("summary", lang, photos=run.progress.done, **levels))
    if run.progress.known:
        click.echo(word("batch-known", lang, count=run.progress.known))
    if levels["clear"]:
        click.echo(word("no-guarantee", lang))
    click.echo(word("batch-guidance", lang))
    click.echo(f"{word('batch-report', lang)}: {files[0]}")
    if photos.passed:
        click.echo(word("passed-over", lang, count=photos.passed), err=True)
    sys.exit(2 if levels["failed"] else 1 if levels["review"] or levels["unclear"] else 0)


@contextmanager
def _workers(settings: "Settings", cluster: str | None) -> "Iterator[Workers]":
    """Start the processes of a batch, or reach the cluster."""
    from app.batch.run import Processes

    if cluster:
        from app.batch.cluster import Cluster

        with Cluster(cluster, settings.setup) as workers:
            yield workers
    else:
        with settings.pool(queue_size=settings.workers) as pool:
            yield Processes(pool)


@cli.command(short_help="Serve the page and the HTTP interface.")
@click.option("--host", help="Address to listen on.  [JARI_HOST; default: 127.0.0.1, this machine only]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on; 0 takes any that is free.  [JARI_PORT; default: 8080]")
@click.option("--workers", type=click.IntRange(min=1), help="Processes that check photos.  [JARI_WORKERS; default: the cores, at most 2]")
@in_language
def serve(host: str | None, port: int | None, workers: int | None, lang: "Lang") -> None:
    """Serve the page and the HTTP interface until Ctrl+C. All other settings are environment variables; the README lists them."""
    if not os.isatty(0):  # a service manager may tell us to reload before we listen for it, and would end us
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    from app.main import serve as serve_http
    from app.terminal.listening import listening
    from app.terminal.words import TerminalError, word

    settings = _settings(host=host, port=port, workers=workers)
    if settings.traces_endpoint and not find_spec("opentelemetry.sdk"):
        raise TerminalError("traces-missing")
    with listening(settings) as listener:
        name, number = listener.getsockname()[:2]
        name = f"[{name}]" if ":" in name else name
        shown = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(name, name)  # noqa: S104 - every address is named by one
        address = f"http://{shown}:{number}{settings.root_path}/"
        line = f"Jari Netral {version('jari-netral')} · {word('open', lang)}: {address} · {word('stop', lang)}"
        serve_http(settings, listener, announce=lambda: click.echo(line))


@cli.command(short_help="Try what the service needs on this machine.")
@in_language
def doctor(lang: "Lang") -> None:
    """Try what the service needs on this machine, with the settings that it would have, and say how to fix what fails.

    \b
    Exit status:
      0  all is well
      1  something needs fixing
      2  a setting cannot be understood
    """
    from app.doctor import examine
    from app.terminal.words import problem, remedy, word

    well = True
    for finding in examine(_settings()):
        well = well and finding.ok
        click.echo(f"{'✓' if finding.ok else '✗'} {word(f'doctor-{finding.name}', lang)}: ", nl=False)
        if isinstance(finding.detail, Exception):
            said = problem(finding.detail, lang)
            click.echo(f"{said.title}\n  {said.detail}\n  → {remedy(finding.name, said.type, lang)}")
        else:
            click.echo(finding.detail)
    click.echo(word("doctor-well" if well else "doctor-ill", lang))
    sys.exit(0 if well else 1)


@cli.command(short_help="Name the libraries and models in use, with their licences.")
@click.option("--sbom", metavar="FILE", type=click.Path(path_type=Path), help="Add them to a CycloneDX file instead; `make sbom` does.")
@in_language
def licences(sbom: Path | None, lang: "Lang") -> None:
    """Name the libraries and models in use, with their versions and licences."""
    from app.licences import complete_sbom
    from app.licences import licences as in_use
    from app.terminal.tables import print_table
    from app.terminal.words import word

    if sbom:
        try:
            complete_sbom(sbom)
        except (ValueError, KeyError, TypeError):
            raise click.BadParameter(gettext("{file} is no CycloneDX file in JSON.").format(file=sbom), param_hint="--sbom") from None
        return

    print_table([word(key, lang) for key in ("name", "version", "licence")], in_use())


@cli.group(short_help="Make keys for those who may call the service.")
def key() -> None:
    """Make keys for those who may call the service."""


@key.command(name="new", short_help="Make a key, and print it once.")
@click.argument("name")
@in_language
def key_new(name: str, lang: "Lang") -> None:
    """Make a key for an integration and print it once, with the entry that lets it in.

    NAME stands in logs and figures: name the integration (intranet, cms), not a person. Nothing is written. To revoke a key, remove its
    entry.
    """
    from app.keys import new_key
    from app.terminal.words import TerminalError, word

    try:
        secret, entry = new_key(name)
    except ValueError:
        raise TerminalError("key-name", name=name) from None
    click.echo(word("key-secret", lang), err=True)
    click.echo(secret)
    click.echo(word("key-entry", lang), err=True)
    click.echo(str(entry))


@cli.command(short_help="Measure how right the readings are, on labelled photos.")
@click.argument("labels", metavar="LABELS.csv", type=click.Path(path_type=Path))
@click.option("--finder", "finders", type=click.Choice(["search", "mediapipe"]), multiple=True, help="Measure this one; may be repeated.")
@click.option(
    "--results", metavar="FILE", multiple=True, type=click.Path(path_type=Path), help="Measure JSON lines kept before; repeatable."
)
@CONTEST
@click.option("--jobs", metavar="N", type=click.IntRange(1, 64), default=1, show_default=True, help="Check so many photos at once.")
@click.option("--sets", metavar="A,B", help="Only the photos of these sets.")
@click.option("--limit", metavar="N", type=click.IntRange(min=1), help="At most so many photos of each set, spread over it.")
@click.option("--report", metavar="DIR", type=click.Path(path_type=Path), help="Write index.html, figures.json and the results to DIR.")
@in_language
def evaluate(
    labels: Path,
    finders: tuple["FinderName", ...],
    results: tuple[Path, ...],
    contest: str | None,
    jobs: int,
    sets: str | None,
    limit: int | None,
    report: Path | None,
    lang: "Lang",
) -> None:
    """Measure how right the readings are, on labelled photos, and print the figures set by set.

    LABELS.csv has a row per labelled hand (or per photo where none is labelled), with the columns

    \b
      path     the photo, relative to the file of labels
      set      name of the set, for the table
      kind     posed: one labelled hand; group: other hands are at rest;
               partial: other hands are not judged; rest: nobody poses
      pose     expected pose
      numbers  numbers that may be read, separated by ";"; empty: none may
      box      x y w h in pixels of the upright photo, or empty

    Several finders stand side by side. The report has charts and the worst misses, with pieces of the photos.
    """
    from app.evaluate.labels import choose, read_labels
    from app.evaluate.report import prepare, results_file, write_report
    from app.evaluate.run import HEADS, check_photos, read_results, rows
    from app.terminal.tables import print_table
    from gestures import load_contest

    if finders and results:
        raise click.UsageError(gettext("--finder checks photos, --results takes what was kept: give one of the two."))
    settings = _settings()
    rules = load_contest(contest or settings.contest)
    photos = choose(read_labels(labels), [name.strip() for name in sets.split(",")] if sets else (), limit)
    if report:
        prepare(report)
    if results:
        runs = read_results(results, photos)
    else:
        setups = [replace(settings.setup, finder=finder) for finder in dict.fromkeys(finders or (settings.finder,))]
        runs = [
            check_photos(photos, labels.parent, setup, rules, jobs=jobs, lang=lang, keep=report and results_file(report, setup.finder))
            for setup in setups
        ]
    print_table(HEADS, rows(runs), words=2)
    if report:
        click.echo(write_report(runs, labels.parent, rules, report))


@cli.command(short_help="Measure speed, memory and recall on this machine.")
@click.option(
    "--part",
    "parts",
    type=click.Choice(["timing", "workers", "batch", "recall", "endurance"]),
    multiple=True,
    help="Measure this only; may be repeated.  [default: all but endurance]",
)
@click.option("--rounds", metavar="N", type=click.IntRange(1, 100), default=3, show_default=True, help="Rounds after one to warm up.")
@click.option("--most", metavar="MP", type=click.FloatRange(min=0.3), default=50.0, show_default=True, help="Leave out larger scenes.")
@click.option("--photos", metavar="N", type=click.IntRange(min=1), default=2000, show_default=True, help="How many endurance checks.")
@click.option("--seed", metavar="N", type=click.IntRange(min=0), default=0, show_default=True, help="Another gives other scenes.")
@click.option(
    "--json", "json_file", metavar="FILE", type=click.File("w", "utf-8", lazy=False, atomic=True), help="Write the figures to FILE too."
)
@click.option(
    "--markdown",
    metavar="FILE",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Put what was measured, and nothing else, between the marks of FILE, such as docs/performance.md.",
)
def bench(
    parts: tuple[str, ...], rounds: int, most: float, photos: int, seed: int, json_file: IO[str] | None, markdown: Path | None
) -> None:
    """Measure speed, memory and recall, on scenes composed of our samples and, where it is there, of ../shared.

    Ratios are of the whole check to opening the photo and one detection by MediaPipe, taking turns in one run. Times differ
    from machine to machine and from minute to minute; compare ratios.
    """
    import json

    from app.bench.report import surroundings, tables, write_markdown
    from app.bench.run import run
    from app.terminal.tables import print_table

    def say(what: str) -> None:
        click.echo(what, err=True)

    if markdown:
        try:
            surroundings(markdown)
        except ValueError as error:  # told before the minutes that measuring takes
            raise click.BadParameter(str(error), param_hint="--markdown") from None
    chosen = parts or ("timing", "workers", "batch", "recall")
    report = run(chosen, rounds=rounds, most_megapixels=most, photos=photos, seed=seed, say=say)
    measured = list(tables(report))
    if not measured:
        raise click.UsageError(gettext("Nothing was measured: all scenes of these parts are larger than --most."))
    for title, (heads, *rows) in measured:
        print_table(heads, rows, words=1, title=title)
    if json_file:
        json_file.write(json.dumps(report.to_dict(), indent=1) + "\n")
    if markdown:
        write_markdown(report, markdown)


@cli.command(short_help="Name the contests that --contest knows.")
@in_language
def contests(lang: "Lang") -> None:
    """Name the contests that --contest knows, with the numbers on the ballot and the lists that apply."""
    from app.terminal.tables import print_table
    from app.terminal.words import word
    from gestures import contests as known
    from gestures import load_contest

    chosen = _settings().contest
    mine = {} if chosen in known() else {chosen: load_contest(chosen)}  # by what can be given: its file
    rows = [
        (key, contest.name[lang], " ".join(map(str, contest.numbers)), ", ".join(contest.lists))
        for key, contest in (known() | mine).items()
    ]
    print_table([word(key, lang) for key in ("name", "contest", "numbers", "lists")], rows)


@cli.command(short_help="Name the poses that lists and contests speak of.")
@in_language
def poses(lang: "Lang") -> None:
    """Name the poses that lists and contests speak of, and the numbers that they have been read as.

    Not all can be told from a photo: MODEL_CARD.md says which.
    """
    from app.terminal.tables import print_table
    from app.terminal.words import word
    from gestures import pose_table

    rows = [
        (key, row.name[lang], ", ".join(f"{reading.number} ({reading.strength})" for reading in row.readings) or "–")
        for key, row in pose_table().items()
    ]
    print_table([word(key, lang) for key in ("name", "pose", "read-as")], rows)


def _settings(**given: object) -> "Settings":
    """Read the settings, those that were given on the command line first."""
    from pydantic import ValidationError

    from app.settings import PREFIX, Settings
    from app.terminal.words import TerminalError, setting_problem

    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        reason = setting_problem(first["type"], first["msg"], first.get("ctx", {}))
        raise TerminalError("settings-invalid", variable=PREFIX + str(first["loc"][0]).upper(), reason=reason) from None


if __name__ == "__main__":
    main()
