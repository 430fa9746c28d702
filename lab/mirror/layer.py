"""Archives that are the same bytes for the same content: no time, owner or order of the machine's gets in.

Owns: tar, with and without gzip, from a table of members. Does not own: what is packed.
"""

import gzip
import io
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

COMPRESSION = 0  # the readers are on the same machine, and what it costs is their time on its processors


@dataclass
class Tree:
    """What an archive holds: files of this machine, contents, and symbolic links, by their path in the archive.

    ``writable`` are folders that everybody may write to.
    """

    files: dict[str, Path] = field(default_factory=dict)
    contents: dict[str, bytes] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    writable: set[str] = field(default_factory=set)

    def write(self, target: IO[bytes]) -> None:
        """Writes the members by path, the folders above them first; files and scripts are executable."""
        with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for folder in self._folders():
                archive.addfile(_member(folder, tarfile.DIRTYPE, 0o1777 if f"/{folder}" in self.writable else 0o755))
            for path in sorted({*self.files, *self.contents, *self.links}):
                self._add(archive, path)

    def write_gzip(self, target: Path) -> None:
        """The same, compressed, as a file."""
        with target.open("wb") as raw, gzip.GzipFile("", "wb", COMPRESSION, raw, mtime=0) as packed:
            self.write(packed)  # type: ignore[arg-type]  # GzipFile is a binary writer; typeshed does not say IO[bytes]

    def _folders(self) -> list[str]:
        inside = [Path(path.lstrip("/")).parent for path in (*self.files, *self.contents, *self.links)]
        folders = [*inside, *(Path(folder.lstrip("/")) for folder in self.writable)]
        return sorted({str(one) for folder in folders for one in (folder, *folder.parents) if str(one) != "."})

    def _add(self, archive: tarfile.TarFile, path: str) -> None:
        name = path.lstrip("/")
        if path in self.links:
            member = _member(name, tarfile.SYMTYPE, 0o777)
            member.linkname = self.links[path]
            archive.addfile(member)
        elif path in self.contents:
            member = _member(name, tarfile.REGTYPE, 0o755 if self.contents[path].startswith(b"#!") else 0o644)
            member.size = len(self.contents[path])
            archive.addfile(member, io.BytesIO(self.contents[path]))
        else:
            member = _member(name, tarfile.REGTYPE, 0o755)
            member.size = self.files[path].stat().st_size
            with self.files[path].open("rb") as source:
                archive.addfile(member, source)


def _member(name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.mode = kind, mode
    return member
