"""A host that cannot be reached is told as host, step, cause and remedy, whichever SSH client says so.

The words are those of Python's SSH library (the lab's plugin), from real dials, and of Go's (the official one), from
its source.
"""

import dataclasses
from pathlib import Path

import pytest
from pydantic import SecretStr

from render import way_in
from settings import Bastion, Host
from tests.settings import samples

GO = "after 3 failed attempts: "
PYTHON = "root@192.0.2.11:22: after 3 failed attempts: "
SILENT = "does not answer at port 22"
REFUSED = "refuses connections to port 22"
FOREIGN = "shows another host key"
SHUT = "does not let user root in"
NAMELESS = "does not resolve"
RUDE = "hangs up before it lets anybody in"


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return samples.stack(tmp_path).hosts["shaolin"]


@pytest.fixture
def behind_bastion(host: Host) -> Host:
    bastion = Bastion("192.0.2.99", 22, "jump", samples.host_key("jump"), host.ssh.private_key)
    return dataclasses.replace(host, ssh=dataclasses.replace(host.ssh, bastion=bastion))


@pytest.mark.parametrize(
    ("error", "cause", "key"),
    [
        (f"{GO}dial tcp 192.0.2.11:22: i/o timeout", SILENT, "hosts.shaolin.address"),
        (f"{GO}dial tcp 192.0.2.11:22: connect: no route to host", SILENT, "hosts.shaolin.address"),
        (f"{PYTHON}[Errno 113] Connect call failed ('192.0.2.11', 22)", SILENT, "hosts.shaolin.address"),
        (f"{PYTHON}TimeoutError", SILENT, "hosts.shaolin.address"),
        (f"{GO}dial tcp 192.0.2.11:22: connect: connection refused", REFUSED, "ssh.port"),
        (f"{PYTHON}[Errno 111] Connect call failed ('192.0.2.11', 22)", REFUSED, "ssh.port"),
        (f"{GO}ssh: handshake failed: ssh: host key mismatch", FOREIGN, "ssh.knownHosts"),
        (f"{GO}ssh: handshake failed: ssh: no common algorithm for host key; client offered: []", FOREIGN, "address"),
        (f"{PYTHON}Host key is not trusted for host 192.0.2.11", FOREIGN, "ssh.knownHosts"),
        (f"{GO}ssh: handshake failed: ssh: unable to authenticate, attempted methods [none]", SHUT, "ssh.user"),
        (f"{PYTHON}Permission denied for user root on host 192.0.2.11", SHUT, "ssh.user"),
        (f"{GO}dial tcp: lookup shaolin on 192.0.2.53:53: no such host", NAMELESS, "hosts.shaolin.address"),
        (f"{PYTHON}[Errno -2] Name or service not known", NAMELESS, "hosts.shaolin.address"),
        (f"{GO}ssh: handshake failed: EOF", RUDE, "MaxStartups"),
        (f"{GO}ssh: handshake failed: read tcp 192.0.2.1:4711->192.0.2.11:22: connection reset by peer", RUDE, "jour"),
        (f"{PYTHON}Connection lost", RUDE, "MaxStartups"),
    ],
)
def test_each_way_to_miss_a_host_has_its_cause_and_the_key_to_correct(
    host: Host, error: str, cause: str, key: str
) -> None:
    line = way_in.told(host, "preflight", error)
    assert line is not None
    assert line.startswith("evenkeel: shaolin (192.0.2.11): preflight: the ")
    told, _, remedy = line.partition("; ")
    assert cause in told
    assert error.removeprefix(PYTHON).removeprefix(GO) in line  # what people search for
    assert key in (line if cause == FOREIGN else remedy)
    assert "{" not in line


def test_whose_key_an_agent_has_is_sent_to_the_agent(host: Host) -> None:
    """A file and a secret were named that such a stack does not have."""
    agents = dataclasses.replace(host, ssh=dataclasses.replace(host.ssh, private_key=SecretStr("")))
    line = way_in.told(agents, "preflight", f"{GO}ssh: handshake failed: ssh: unable to authenticate")
    assert line is not None
    assert f"{SHUT} with a key that the SSH agent of this machine has" in line
    assert "; give the agent the right one ('ssh-add FILE'), add its public half to" in line
    assert "privateKeyFile" not in line


def test_words_that_nobody_knew_are_still_told_with_host_and_step(host: Host) -> None:
    line = way_in.told(host, "prepare", f"{GO}ssh: handshake failed: ssh: overflow reading version string")
    assert line == (
        "evenkeel: shaolin (192.0.2.11): prepare: the host cannot be reached (ssh: handshake failed: ssh: overflow "
        "reading version string); try `ssh root@192.0.2.11` by hand"
    )


def test_the_pinned_key_is_named_as_ssh_keygen_prints_it(host: Host) -> None:
    """A fingerprint is what the host's console shows, and what a person can compare."""
    known = dataclasses.replace(host.ssh, host_key="ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8Q")
    line = way_in.told(dataclasses.replace(host, ssh=known), "preflight", f"{GO}ssh: host key mismatch")
    assert line is not None
    assert "SHA256:9o/fEu00ebg4lpxrhaqJ8TwG2e22SQZA5ldPN4nCu+I" in line


def test_an_address_for_ssh_alone_is_the_key_to_correct(host: Host) -> None:
    translated = dataclasses.replace(host, ssh=dataclasses.replace(host.ssh, host="198.51.100.7", port=2211))
    line = way_in.told(translated, "preflight", f"{GO}dial tcp 198.51.100.7:2211: i/o timeout")
    assert line is not None
    assert "at port 2211" in line
    assert line.endswith("correct evenkeel:hosts.shaolin.ssh.host")


@pytest.mark.parametrize(
    ("error", "cause", "key"),
    [
        (f"proxy: {GO}dial tcp 192.0.2.99:22: i/o timeout", "the bastion 192.0.2.99", "ssh.bastion.host"),
        ("proxy: jump@192.0.2.99:22: " + GO + "Permission denied", "does not let user jump in", "ssh.bastion.user"),
        (f"proxy: {GO}ssh: rejected: connect failed (Connection refused)", "lets nobody through", "AllowTcpForwarding"),
        (f"{PYTHON}Host key is not trusted for host 192.0.2.11", "the host shows another", "hosts.shaolin.address"),
    ],
)
def test_behind_a_bastion_it_is_said_which_of_the_two_is_missed(
    behind_bastion: Host, error: str, cause: str, key: str
) -> None:
    line = way_in.told(behind_bastion, "preflight", error)
    assert line is not None
    assert cause in line.partition("; ")[0]
    assert key in line.partition("; ")[2]


@pytest.mark.parametrize(
    "error",
    [
        'wait: remote command exited without exit status or exit signal: running "sh -s -- again":\nevenkeel: said',
        'connection lost: Connection lost: running "sh -s -- again":\n',
    ],
)
def test_a_connection_that_ends_while_a_step_runs_is_no_fault_of_the_settings(host: Host, error: str) -> None:
    line = way_in.told(host, "prepare", error)
    assert line is not None
    assert line.startswith("evenkeel: shaolin (192.0.2.11): prepare: the connection was lost while this step ran; ")
    assert "evenkeel:" not in line.removeprefix("evenkeel: ")


def test_a_script_that_failed_has_said_so_itself(host: Host) -> None:
    """Its output may well hold the words of a client that could not connect somewhere."""
    said = "evenkeel: shaolin: preflight: the mirror does not answer: connection refused; put it there\n"
    assert way_in.told(host, "preflight", f'Process exited with status 1: running "sh -s -- first":\n{said}') is None
