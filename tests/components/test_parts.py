"""What ``render.parts`` says that a host has is what the components stage there, no more and no less."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from render import parts
from render.scripts import host_scripts
from settings import Stack
from tests.components.composed import control_plane
from tests.components.recorder import commands, run, unwrapped
from tests.components.test_harbor import harbor_of, sample
from tests.components.test_nginx_stream_lb import load_balancers

BEGUN = re.compile(r"^stage_begin (\S+)$", re.MULTILINE)
PUT = re.compile(r"^put (\S+) (\d+) (\S+) (/\S+) (?:newline|bare) <<", re.MULTILINE)
LISTS = re.compile(r'^([A-Z_]+)_PARTS="(.*)"$', re.MULTILINE)
ARTIFACTS = {f"{group}.artifacts" for group in ("runtime", "kubelet", "tools")}  # the host's own, by architecture


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    return sample(tmp_path)


@pytest.fixture
def staged(stack: Stack) -> dict[str, dict[str, set[tuple[str, str, str]]]]:
    """By host and part: the modes, owners and paths of the files."""
    found: dict[str, dict[str, set[tuple[str, str, str]]]] = {name: {} for name in stack.hosts}
    programs: list[Callable[[Stack], object]] = [control_plane, load_balancers, harbor_of]
    for program in programs:
        for name, command in commands(run(partial(program, stack))).items():
            text = unwrapped(command.inputs["stdin"])
            of_host = found[name.split("-")[0]]
            for part in BEGUN.findall(text):
                of_host.setdefault(part, set())
            for part, mode, owner, path in PUT.findall(text):
                if part in of_host:
                    of_host[part].add((mode, owner, path))
    return found


def test_every_part_that_is_staged_on_a_host_is_looked_at(
    stack: Stack, staged: dict[str, dict[str, set[tuple[str, str, str]]]]
) -> None:
    """A part that nobody looks at is one in which damage goes unseen."""
    for name, host in stack.hosts.items():
        inventory = parts.inventory(stack, host, host_scripts())
        assert {*inventory.plain, *inventory.held} - ARTIFACTS == set(staged[name]), name


def test_the_readable_files_of_every_host_are_those_that_are_staged(
    stack: Stack, staged: dict[str, dict[str, set[tuple[str, str, str]]]]
) -> None:
    for name, host in stack.hosts.items():
        inventory = parts.inventory(stack, host, host_scripts())
        for part, files in inventory.plain.items():
            assert {(file.mode, file.owner, file.path) for file in files} == staged[name][part], f"{name} {part}"


def test_a_turns_parts_are_those_of_the_scripts() -> None:
    scripts = host_scripts()
    listed = {
        tuple(words.split())
        for name, text in scripts.items()
        if name != "retire.sh"
        for _, words in LISTS.findall(text)
    }
    turns = parts.NODE_TURNS | parts.MASTER_TURNS | parts.BALANCER_TURNS | parts.HUB_TURNS
    assert {of for unit, of in turns.items() if unit != "keepalived"} == listed
