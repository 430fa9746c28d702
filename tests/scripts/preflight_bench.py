"""Where a preflight is tried out: a bare host, a mirror, and a stack that names both. Owns no expectation."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import settings
from tests.scripts.bare_host import BareHost, Mirror, mirror
from tests.settings import samples


@dataclass
class Bench:
    """A bare host, a mirror that holds the sample's release, and the sample stack that points at it."""

    host: BareHost
    mirror: Mirror
    stack: settings.Stack

    def artifact(self, name: str) -> str:
        """The path at the mirror of an artifact for amd64."""
        return self.stack.release.artifact(name, "amd64").url.removeprefix(self.mirror.url)

    def cached(self) -> set[str]:
        """What lies in the host's cache under its final name."""
        return {path.name for path in self.host.cache.glob("[!.]*")}


@contextmanager
def laid(tmp_path: Path) -> Iterator[Bench]:
    """One whose host is well and whose mirror has everything."""
    with mirror() as server:
        release = {**samples.values()["release"], "mirror": {"artifacts": server.url, "images": server.url}}
        stack = samples.stack(tmp_path, {"release": release})
        bench = Bench(BareHost(tmp_path), server, stack)
        for name in stack.release.file.artifacts:
            # What the sample's lock says: the checksum of these words.
            server.files[bench.artifact(name)] = f"{name}amd64".encode()
        yield bench
