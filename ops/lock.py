"""``python -m ops lock RELEASE``: writes down what a release's artifacts and images are, as somebody else says.

Owns: collecting checksums and digests, and writing the lock whole or not at all. Does not own: where they come from
(``ops.checksums``, ``ops.images``). A checksum that nobody fetched is never written: a single fault, and no lock is.
Only a mirror may lack something, images of hubs, and the lock then lacks them too.
"""

from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Annotated, TypeVar
from urllib.parse import urlsplit

import httpx
import typer
import yaml
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from ops import checksums, files, images
from ops.fetch import CONNECTIONS, AbsentError, Fetcher, FetchError
from releases import LockFile, Mirror, ReleaseError, ReleaseFile, read_release
from releases.schema import HUB_IMAGES, Architecture
from releases.store import FOLDER, lock_path, mirrored, release_digest

HEADER = "# Written by `python -m ops lock {name}` from {source}. Do not edit it: write it again instead.\n"
Key = TypeVar("Key")


class LockError(Exception):
    """No lock was written; the text has one line for each thing that stands in the way."""


def lock_release(
    file: ReleaseFile,
    mirror: Mirror | None,
    architectures: list[Architecture],
    folder: Path = FOLDER,
    transport: httpx.BaseTransport | None = None,
    advance: Callable[[], None] = lambda: None,
) -> LockFile:
    """The lock of a release, from its publishers or a mirror; ``advance`` is called for each thing looked up."""
    names: list[str] = list(architectures)
    with Fetcher(mirror is not None, transport) as fetcher, ThreadPoolExecutor(CONNECTIONS) as pool:
        sums = {
            (name, architecture): pool.submit(_sum, fetcher, file, mirror, name, architecture)
            for name in file.artifacts
            for architecture in architectures
        }
        digests = {
            # Harbor's images are for amd64 alone: a hub's architecture is not the cluster's affair.
            name: pool.submit(images.digest, fetcher, file.image(name), mirror, [] if name in HUB_IMAGES else names)
            for name in file.images
        }
        for future in [*sums.values(), *digests.values()]:
            future.add_done_callback(lambda _: advance())
    faults: list[str] = []
    found, pinned = _settled(sums, faults), _settled(digests, faults, HUB_IMAGES if mirror else ())
    if faults:
        raise LockError("\n".join(faults))
    artifacts = {name: {arch: found[name, arch] for arch in architectures} for name in file.artifacts}
    return LockFile(
        release=file.name,
        release_sha256=release_digest(file.name, folder),
        source=mirror or "publishers",
        artifacts=artifacts,
        images=pinned,
    )


def write_lock(lock: LockFile, path: Path) -> bool:
    """Puts the lock in place in one step; whether that changed anything."""
    source = lock.source if isinstance(lock.source, str) else f"the mirror {lock.source.artifacts}"
    text = HEADER.format(name=lock.release, source=source) + yaml.safe_dump(lock.model_dump(), sort_keys=False)
    if path.is_file() and path.read_text() == text:
        return False
    files.put(path, text.encode())
    return True


def command(
    release: Annotated[str, typer.Argument(help="The release's name, such as 2026.11.")],
    mirror_artifacts: Annotated[str | None, typer.Option(help="Address of a mirror of the artifacts.")] = None,
    mirror_images: Annotated[str | None, typer.Option(help="Address of a registry that mirrors the images.")] = None,
    arch: Annotated[list[str] | None, typer.Option(help="Lock this architecture only; may be given again.")] = None,
    output: Annotated[Path | None, typer.Option(help="Where to write; releases/RELEASE.lock.yaml by default.")] = None,
) -> None:
    """Write the lock of a RELEASE: each artifact's sha256 and each image's digest.

    They come from the publishers' own checksum files and registries or, with both --mirror options, from a mirror.
    Nothing is written unless all of it could be fetched.
    """
    console, path = Console(stderr=True, highlight=False), output or lock_path(release)
    try:
        file = read_release(release)
        mirror = mirror_of(mirror_artifacts, mirror_images)
        lock = _with_progress(console, file, mirror, _architectures(file, arch or []))
        changed = write_lock(lock, path)
    except ReleaseError as error:
        _fail(console, f"release {release}: {error}")
    except (LockError, FetchError) as error:
        _fail(console, str(error))
    except OSError as error:
        _fail(
            console, f"{path}: cannot be written ({error.strerror}); check the folder, or choose another with --output"
        )
    else:
        count = f"{len(lock.artifacts)} artifacts, {len(lock.images)} images"
        console.print(f"{path}: {'written' if changed else 'unchanged'} ({count})", markup=False, soft_wrap=True)
        absent = [name for name in file.images if name not in lock.images]
        if absent:
            text = f"left out, as the mirror does not have them: {', '.join(absent)}"
            console.print(text, markup=False, soft_wrap=True)


def _with_progress(
    console: Console, file: ReleaseFile, mirror: Mirror | None, architectures: list[Architecture]
) -> LockFile:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        total = len(file.artifacts) * len(architectures) + len(file.images)
        source = mirror.artifacts if mirror else "the publishers"
        task = progress.add_task(f"asking {source} about release {file.name}", total=total)
        return lock_release(file, mirror, architectures, advance=lambda: progress.advance(task))


def _sum(fetcher: Fetcher, file: ReleaseFile, mirror: Mirror | None, name: str, architecture: str) -> str:
    artifact = file.artifact(name, architecture)
    file_name = PurePosixPath(urlsplit(artifact.url).path).name
    if mirror:
        url, absent = f"{mirrored(artifact.url, mirror)}.sha256", f"put {file_name} and its .sha256 on the mirror"
    else:
        url, absent = artifact.checksums, f"check the version of {name} in releases/{file.name}.yaml"
    found = checksums.find(fetcher.text(url, absent), file_name)
    if found is None:
        raise FetchError(f"{url}: does not hold one sha256 of {file_name}", "ask who serves it; nothing was locked")
    return found


def _settled(futures: dict[Key, Future[str]], faults: list[str], dispensable: Collection[Key] = ()) -> dict[Key, str]:
    results: dict[Key, str] = {}
    for key, future in futures.items():
        try:
            results[key] = future.result()
        except FetchError as error:
            if not (isinstance(error, AbsentError) and key in dispensable):
                faults.append(str(error))
    return results


def mirror_of(artifacts: str | None, registry: str | None) -> Mirror | None:
    """The mirror of the two options, which go together."""
    if not artifacts and not registry:
        return None
    if not artifacts or not registry:
        given, other = ("images", "artifacts") if registry else ("artifacts", "images")
        raise LockError(
            f"--mirror-{given} is given without --mirror-{other}; a mirror serves both: give its two addresses"
        )
    try:
        return Mirror(artifacts=artifacts, images=registry)
    except ValidationError as error:
        wrong = error.errors()[0]
        what = f"--mirror-{wrong['loc'][0]}: {wrong['input']}: is not an address"
        raise LockError(f"{what}; write it like http://mirror.example.com:8080") from error


def _architectures(file: ReleaseFile, wanted: list[str]) -> list[Architecture]:
    for name in wanted:
        if name not in file.architectures:
            raise LockError(
                f"--arch: {name}: is not in release {file.name}; choose from {', '.join(file.architectures)}"
            )
    return [name for name in file.architectures if not wanted or name in wanted]


def _fail(console: Console, text: str) -> None:
    console.print(text, style="red", markup=False, soft_wrap=True)
    raise typer.Exit(1)
