"""The mirror packs the same bytes for the same content, and everything that a release names."""

import os
import tarfile
from pathlib import Path

import pytest

from lab import toolchain
from lab.errors import LabError
from lab.mirror import closure, content, images
from lab.mirror.layer import Tree
from lab.stack import release_name
from releases import read_release
from releases.schema import HARBOR_IMAGES, IMAGES


def packed(folder: Path, name: str) -> bytes:
    Tree(files={"bin/program": folder / "program"}, contents={"etc/a": b"a"}, links={"bin/b": "program"}).write_gzip(
        folder / name
    )
    return (folder / name).read_bytes()


def test_an_archive_depends_on_content_alone_and_not_on_a_files_time_or_mode(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("x")
    first = packed(tmp_path, "first.tgz")
    os.utime(program, (1, 1))
    program.chmod(0o600)
    assert packed(tmp_path, "second.tgz") == first
    program.write_text("y")
    assert packed(tmp_path, "third.tgz") != first


def test_an_archive_holds_the_folders_above_its_members(tmp_path: Path) -> None:
    (tmp_path / "program").write_text("x")
    packed(tmp_path, "a.tgz")
    with tarfile.open(tmp_path / "a.tgz") as archive:
        assert archive.getnames() == ["bin", "etc", "bin/b", "bin/program", "etc/a"]


def test_an_absolute_link_of_the_node_image_stays_inside_it(tmp_path: Path) -> None:
    """/usr/sbin/iptables points at /etc/alternatives; followed on this machine it would pack this machine's program."""
    for folder in ("usr/sbin", "etc/alternatives"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "sbin").symlink_to("usr/sbin")
    (tmp_path / "usr/sbin/iptables").symlink_to("/etc/alternatives/iptables")
    (tmp_path / "etc/alternatives/iptables").symlink_to("../../usr/sbin/xtables-nft-multi")
    (tmp_path / "usr/sbin/xtables-nft-multi").write_text("program")
    assert closure.resolve(tmp_path, "/sbin/iptables") == tmp_path / "usr/sbin/xtables-nft-multi"


def test_a_loop_of_links_is_said_to_be_one(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(LabError, match="loop"):
        closure.resolve(tmp_path, "/a")


def test_there_is_a_recipe_for_every_image_but_those_of_scanner_and_exporter() -> None:
    made = {*IMAGES, *HARBOR_IMAGES, "harbor-db", "harbor-redis", "tools"}
    for release in (release_name(), content.BEFORE):
        assert made == set(content.references(read_release(release)))


def test_the_release_before_differs_in_harbor_alone() -> None:
    """So that a test's upgrade from it is one of hubs, and the mirror needs no other cluster's programs."""
    now, before = read_release(release_name()).versions, read_release(content.BEFORE).versions
    assert now.harbor != before.harbor
    assert now.model_copy(update={"harbor": before.harbor}) == before


def test_every_program_of_the_images_is_built_by_the_toolchain() -> None:
    sources = [source for recipe in images.recipes().values() for source in recipe.programs.values()]
    for group, name in (source.split("/") for source in sources if source != "pause"):
        assert name in toolchain.groups()[group].binaries
        assert group in content.PACKED, "a rebuilt program would not reach the mirror"
