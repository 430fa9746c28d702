"""Whose silence a host watches for."""

from pathlib import Path

import pytest

from render import silent_peers
from tests.render.harbor_samples import stack as with_hubs
from tests.settings import samples

MASTERS = ["192.0.2.11", "192.0.2.12", "192.0.2.13"]


def test_a_master_watches_the_other_etcd_members(tmp_path: Path) -> None:
    stack = samples.stack(tmp_path)
    assert silent_peers.peers(stack, stack.hosts["shaolin"]) == ["192.0.2.12:2379", "192.0.2.13:2379"]


def test_a_load_balancer_watches_all_that_is_behind_it(tmp_path: Path) -> None:
    stack = with_hubs(tmp_path)
    assert silent_peers.peers(stack, stack.hosts["lb1"]) == [
        *(f"{address}:6443" for address in MASTERS),
        *(f"{address}:{stack.harbor.port}" for address in samples.HUBS.values() if stack.harbor),
    ]


@pytest.mark.parametrize("name", ["huashan", "hub1"])
def test_other_hosts_run_nothing_for_it(tmp_path: Path, name: str) -> None:
    stack = with_hubs(tmp_path)
    assert silent_peers.files(stack, stack.hosts[name]) == []


def test_a_changed_list_or_script_changes_the_part_and_so_restarts_the_watch(tmp_path: Path) -> None:
    stack = samples.stack(tmp_path)
    program, unit = silent_peers.files(stack, stack.hosts["emei"])
    assert (program.content, program.mode) == (silent_peers.SCRIPT.read_text(), "0755")
    assert f"\nExecStart={program.path} 192.0.2.11:2379 192.0.2.12:2379\n" in unit.content
