"""What ``python -m ops preflight`` makes of the hosts' answers (ops.preflight)."""

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from ops import preflight, ssh
from settings import Host
from tests.settings import samples

ODD = "evenkeel: shaolin: preflight: warning: firewalld runs here; see that it lets in TCP 6443"


def test_what_is_odd_on_a_host_is_told_though_nothing_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such lines were dropped: only an ``up`` showed them, among all that it says."""

    def ask_all(hosts: Iterable[Host], script: Callable[[Host], str], seconds: float) -> list[ssh.Answer]:
        said = {"shaolin": f"evenkeel: shaolin: fetching kubelet\n{ODD}"}
        return [ssh.Answer(host.name, 0, f"machine {host.name}\n", said.get(host.name, "")) for host in hosts]

    monkeypatch.setattr(ssh, "ask_all", ask_all)
    assert preflight.check(samples.stack(tmp_path)) == ([], [ODD])
