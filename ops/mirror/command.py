"""The command: what is typed, that one run at a time fills a folder, and what is said.

Does not own what a mirror holds (``ops.mirror.fill``).
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from ops import lock as locks
from ops.fetch import Fetcher, FetchError
from ops.mirror import fill
from ops.mirror.download import Downloads
from ops.mirror.download import check as check_piece
from ops.mirror.fill import Job
from releases import Mirror, ReleaseError, read_lock, read_release
from releases.store import lock_path, locked_architectures, relock

console, errors = Console(highlight=False, soft_wrap=True), Console(stderr=True, highlight=False, soft_wrap=True)


class MirrorError(Exception):
    """The folder is not what it should be; the text has one line for each thing that is wrong."""


def command(
    release: Annotated[str, typer.Argument(help="The release's name, such as 2026.11.")],
    folder: Annotated[Path, typer.Argument(help="The folder that shall hold it; a release more may be added to one.")],
    arch: Annotated[list[str] | None, typer.Option(help="For this architecture only; may be given again.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Say what the folder lacks, and fetch nothing.")] = False,
    all_platforms: Annotated[
        bool, typer.Option("--all-platforms", help="Every platform of each image, to copy them elsewhere.")
    ] = False,
    lock: Annotated[Path | None, typer.Option(help="The release's lock, if that is not beside the release.")] = None,
    mirror_artifacts: Annotated[str | None, typer.Option(help="Fill from this mirror of the artifacts.")] = None,
    mirror_images: Annotated[str | None, typer.Option(help="Fill from this registry that mirrors the images.")] = None,
) -> None:
    """Fill a FOLDER with every artifact and image of a RELEASE, by its lock, to serve hosts that reach nothing else.

    Whatever is whole stays, whatever is not is fetched: run it again after an interruption. Ends with 1 when something
    is missing.
    """
    try:
        job = _job(release, folder, arch or [], lock, locks.mirror_of(mirror_artifacts, mirror_images), all_platforms)
        faults = _checked(job) if check else _filled(job)
        if faults:
            raise MirrorError("\n".join(sorted(set(faults))))
    except ReleaseError as error:
        _fail(f"release {release}: {error}")
    except (locks.LockError, FetchError, MirrorError) as error:
        _fail(str(error))
    except OSError as error:
        where = error.filename or folder
        _fail(f"{where}: cannot be used ({error.strerror}); see to it, and run this again: what is whole is kept")
    else:
        _tell(job)


def _job(release: str, folder: Path, arch: list[str], lock: Path | None, source: Mirror | None, whole: bool) -> Job:
    file = read_release(release)
    path = lock or lock_path(release)
    try:
        locked = read_lock(path, release, remedy=relock(release, output=str(lock) if lock else None))
    except ReleaseError as error:
        raise MirrorError(f"{path}: {error}") from error
    known = locked_architectures(file, locked)
    for name in arch:
        if name not in known:
            what = f"--arch: {name}: is not in the lock of release {release}"
            raise MirrorError(f"{what}; choose from {', '.join(known)}, or lock it")
    return Job(file, locked, tuple(name for name in known if not arch or name in arch), folder, source, whole)


def _filled(job: Job) -> list[str]:
    job.folder.mkdir(parents=True, exist_ok=True)
    with _alone(job.folder), Fetcher(job.source is not None) as fetcher, _Shown("fetching") as shown:
        downloads = Downloads(fetcher, job.folder / fill.PARTIAL, shown.came)
        faults = fill.fill(job, downloads.obtain, shown.reached, downloads.stop)
        console.print(f"fetched: {shown.size}", markup=False)
    return faults


def _checked(job: Job) -> list[str]:
    with _Shown("checking") as shown:
        return fill.check(job, check_piece, shown.reached)


class _Shown:
    """How far it is, at a terminal, and how much came over the network."""

    def __init__(self, what: str) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[size]}"),
        )
        self._progress = Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal)
        self._files = self._progress.add_task(what, total=None, size="")
        self._bytes = self._progress.add_task("", total=None, size="", visible=False)

    def __enter__(self) -> "_Shown":
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    @property
    def size(self) -> str:
        """What came so far, for people."""
        return decimal(int(self._progress.tasks[self._bytes].completed))

    def came(self, count: int) -> None:
        """So many bytes more; called by whichever thread had them."""
        self._progress.advance(self._bytes, count)

    def reached(self, done: int, of: int) -> None:
        """So many files are whole, as far as is known of how many."""
        self._progress.update(self._files, completed=done, total=of, size=self.size)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two runs would write to the same unfinished files."""
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise MirrorError(f"{folder}: another run is filling it; wait for its end") from error
        yield


def _tell(job: Job) -> None:
    counts = f"{len(job.lock.artifacts)} artifacts for {', '.join(job.architectures)}, {len(job.lock.images)} images"
    console.print(f"{job.folder}: whole: release {job.file.name}, {counts}", markup=False)
    absent = [name for name in job.file.images if name not in job.lock.images]
    if absent:
        console.print(f"left out, as the lock does not have them: {', '.join(absent)}", markup=False)


def _fail(text: str) -> NoReturn:
    errors.print(text, style="red", markup=False)
    raise typer.Exit(1)
