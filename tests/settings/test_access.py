"""How each host is reached is resolved from files that must be there, and the private key is never shown."""

import subprocess
from pathlib import Path
from typing import Any

import asyncssh
import pytest

import settings
from render import openssh
from settings import known_hosts
from tests.settings import samples

RSA_KEY = asyncssh.generate_private_key("ssh-rsa").export_public_key().decode().strip()
ECDSA_KEY = asyncssh.generate_private_key("ecdsa-sha2-nistp256").export_public_key().decode().strip()
ED25519_KEY = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()


def find(text: str, hosts: list[str], port: int, folder: Path) -> str | None:
    path = folder / "one_known_hosts"
    path.write_text(text)
    return known_hosts.find(known_hosts.read(path), hosts, port)


LINES = [
    ("192.0.2.11 {key}", "192.0.2.11", 22, True),
    ("192.0.2.11 {key} a comment", "192.0.2.11", 22, True),
    ("shaolin,192.0.2.11 {key}", "192.0.2.11", 22, True),
    ("192.0.2.* {key}", "192.0.2.11", 22, True),
    ("192.0.2.1? {key}", "192.0.2.11", 22, True),
    ("*.example.com,!bad.example.com {key}", "good.example.com", 22, True),
    ("*.example.com,!bad.example.com {key}", "bad.example.com", 22, False),
    ("[192.0.2.11]:2222 {key}", "192.0.2.11", 2222, True),
    ("[192.0.2.11]:2222 {key}", "192.0.2.11", 22, False),
    ("192.0.2.11 {key}", "192.0.2.11", 2222, False),
    ("192.0.2.110 {key}", "192.0.2.11", 22, False),
    ("192x0x2x11 {key}", "192.0.2.11", 22, False),
    ("# 192.0.2.11 {key}", "192.0.2.11", 22, False),
    ("@revoked 192.0.2.11 {key}", "192.0.2.11", 22, False),
    ("@cert-authority 192.0.2.11 {key}", "192.0.2.11", 22, False),
    ("192.0.2.11 {key}\n@revoked * {key}", "192.0.2.11", 22, False),
    ("192.0.2.11 ssh-ed25519 AAAA", "192.0.2.11", 22, False),
    ("192.0.2.11 ssh-ed25519 not*base64", "192.0.2.11", 22, False),
    ("192.0.2.11", "192.0.2.11", 22, False),
    ("|1|bad|base64= {key}", "192.0.2.11", 22, False),
    ("|1|onlyasalt {key}", "192.0.2.11", 22, False),
]


@pytest.mark.parametrize(("line", "host", "port", "found"), LINES)
def test_known_hosts_is_read_as_ssh_reads_it(tmp_path: Path, line: str, host: str, port: int, found: bool) -> None:
    expected = ED25519_KEY if found else None
    assert find(line.format(key=ED25519_KEY) + "\n", [host], port, tmp_path) == expected


@pytest.mark.parametrize("port", [22, 2222])
def test_a_file_that_ssh_keygen_has_hashed_is_understood(tmp_path: Path, port: int) -> None:
    path = tmp_path / "hashed"
    name = "192.0.2.11" if port == 22 else "[192.0.2.11]:2222"
    path.write_text(f"{name} {ED25519_KEY}\n")
    subprocess.run(["ssh-keygen", "-H", "-f", str(path)], check=True, capture_output=True)
    assert "192.0.2.11" not in path.read_text()
    assert known_hosts.find(known_hosts.read(path), ["192.0.2.11"], port) == ED25519_KEY
    assert known_hosts.find(known_hosts.read(path), ["192.0.2.12"], port) is None


def test_the_key_that_the_engines_client_negotiates_best_is_pinned(tmp_path: Path) -> None:
    text = f"a {RSA_KEY}\na {ECDSA_KEY}\na {ED25519_KEY}\nb {RSA_KEY}\nb {ECDSA_KEY}\n"
    assert find(text, ["a"], 22, tmp_path) == ED25519_KEY
    assert find(text, ["b"], 22, tmp_path) == ECDSA_KEY


def test_a_hosts_name_serves_where_its_address_is_not_listed(root: Path) -> None:
    (root / "known_hosts").write_text("".join(f"{name} {samples.host_key(name)}\n" for name in samples.HOSTS))
    stack = settings.parse(samples.values(), root)
    assert {name: host.ssh.host_key for name, host in stack.hosts.items()} == {
        name: samples.host_key(name) for name in samples.HOSTS
    }


def test_a_host_without_a_host_key_is_refused_with_the_command_that_reads_it(root: Path) -> None:
    lines = [line for line in (root / "known_hosts").read_text().splitlines() if not line.startswith("192.0.2.12 ")]
    (root / "known_hosts").write_text("\n".join(lines))
    (line,) = samples.refusals(root, samples.values())
    assert line.startswith("evenkeel:hosts.wudang.address: 192.0.2.12: has no host key for port 22 in known_hosts; ")
    assert "ssh-keyscan -p 22 192.0.2.12" in line


def test_a_host_with_an_address_for_ssh_alone_is_refused_by_that_key(root: Path) -> None:
    values = samples.put(samples.values(), "hosts.lb1.ssh", {"host": "outside.example.com", "port": 2222})
    (line,) = samples.refusals(root, values)
    assert line.startswith("evenkeel:hosts.lb1.ssh.host: outside.example.com: has no host key for port 2222 in known_")


def test_a_host_that_has_only_an_rsa_key_is_warned_of(root: Path) -> None:
    text = (root / "known_hosts").read_text().replace(samples.host_key("emei"), RSA_KEY)
    (root / "known_hosts").write_text(text)
    (line,) = samples.warnings(root, samples.values())
    assert line.startswith("evenkeel:hosts.emei.address: 192.0.2.13: is known by an RSA key only")
    assert "`ssh-keyscan -p 22 -t ed25519 192.0.2.13`" in line


def test_the_key_that_is_missing_is_read_at_the_port_at_which_the_host_answers(root: Path) -> None:
    with (root / "known_hosts").open("a") as file:
        file.write(f"[outside.example.com]:2222 {RSA_KEY}\n")
    values = samples.put(samples.values(), "hosts.emei.ssh", {"host": "outside.example.com", "port": 2222})
    (line,) = samples.warnings(root, values)
    assert line.startswith("evenkeel:hosts.emei.ssh.host: outside.example.com: is known by an RSA key only")
    assert "`ssh-keyscan -p 2222 -t ed25519 outside.example.com`" in line


def test_a_host_lays_its_own_ssh_settings_over_the_stacks(root: Path) -> None:
    with (root / "known_hosts").open("a") as file:
        file.write(f"[outside.example.com]:2222 {ECDSA_KEY}\n[bastion.example.com]:2200 {ED25519_KEY}\n")
    values = samples.values()
    values["ssh"]["user"] = "deploy"
    values["ssh"]["bastion"] = {"host": "bastion.example.com", "port": 2200}
    values["hosts"]["emei"]["ssh"] = {
        "host": "outside.example.com",
        "port": 2222,
        "user": "admin",
        "bastion": {"host": "bastion.example.com", "port": 2200, "user": "jump"},
    }
    hosts = settings.parse(values, root).hosts
    emei, wudang = hosts["emei"].ssh, hosts["wudang"].ssh
    assert (emei.host, emei.port, emei.user, emei.host_key) == ("outside.example.com", 2222, "admin", ECDSA_KEY)
    assert (wudang.host, wudang.port, wudang.user) == ("192.0.2.12", 22, "deploy")
    assert emei.bastion is not None
    assert wudang.bastion is not None
    assert (emei.bastion.user, wudang.bastion.user) == ("jump", "deploy")
    assert (emei.bastion.port, emei.bastion.host_key) == (2200, ED25519_KEY)


def test_a_host_may_be_reached_without_the_stacks_bastion(root: Path) -> None:
    with (root / "known_hosts").open("a") as file:
        file.write(f"bastion.example.com {ED25519_KEY}\n")
    values = samples.put(samples.values(), "ssh.bastion", {"host": "bastion.example.com"})
    values["hosts"]["lb1"]["ssh"] = {"bastion": None}
    values["hosts"]["lb2"]["ssh"] = {"user": "admin"}
    hosts = settings.parse(values, root).hosts
    assert [name for name, host in hosts.items() if host.ssh.bastion is None] == ["lb1"]


def test_a_bastion_without_a_host_key_is_told_once(root: Path) -> None:
    values = samples.put(samples.values(), "ssh.bastion", {"host": "bastion.example.com"})
    (line,) = samples.refusals(root, values)
    assert line.startswith("evenkeel:ssh.bastion.host: bastion.example.com: has no host key for port 22 in known_hosts")


def encrypted_key() -> str:
    return asyncssh.generate_private_key("ssh-ed25519").export_private_key(passphrase="x").decode()


KEYS: list[tuple[dict[str, Any], str]] = [
    (
        {"ssh.privateKeyFile": "nowhere"},
        "evenkeel:ssh.privateKeyFile: nowhere: cannot be read (No such file or directory)",
    ),
    ({"ssh.privateKeyFile": "known_hosts"}, "evenkeel:ssh.privateKeyFile: known_hosts: is not an SSH private key"),
    ({"ssh.privateKeyFile": None}, "evenkeel:ssh.privateKeyFile: (not set): is not set, and neither is sshPrivateKey"),
    (
        {"ssh.agent": True},
        "evenkeel:ssh.agent: true: is set, and so is ssh.privateKeyFile; keep one of the two",
    ),
    (
        {"ssh.agent": True, "ssh.privateKeyFile": None},
        "evenkeel:ssh.agent: true: no agent runs here (SSH_AUTH_SOCK is not set); start one",
    ),
    (
        {"sshPrivateKey": samples.PRIVATE_KEY},
        "evenkeel:ssh.privateKeyFile: id_ed25519: is given, and so is sshPrivateKey",
    ),
    ({"sshPrivateKey": {"secure": "v1:x"}}, "evenkeel:sshPrivateKey: (not shown): is not text; set it with"),
    (
        {"ssh.privateKeyFile": None, "sshPrivateKey": encrypted_key()},
        "evenkeel:sshPrivateKey: (not shown): is protected by a passphrase; give a key without one, since nobody can "
        "type while hosts are set up, or let an SSH agent have it (ssh.agent: true)",
    ),
    (
        {"ssh.privateKeyFile": None, "sshPrivateKey": "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA\n"},
        "evenkeel:sshPrivateKey: (not shown): is protected by a passphrase",
    ),
    (
        {"ssh.knownHosts": "nowhere"},
        "evenkeel:ssh.knownHosts: nowhere: cannot be read (No such file or directory); name",
    ),
    ({"ssh.knownHosts": "\0"}, "evenkeel:ssh.knownHosts: ?: cannot be read (not a path to a text file)"),
]


@pytest.mark.parametrize(("changes", "start"), KEYS)
def test_a_key_that_cannot_serve_is_refused_without_being_shown(
    root: Path, changes: dict[str, Any], start: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    values = samples.values()
    for path, value in changes.items():
        samples.put(values, path, value)
    (line,) = samples.refusals(root, values)
    assert line.startswith(start)
    assert "BEGIN" not in line


@pytest.mark.parametrize("key_type", ["ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256"])
def test_keys_as_ssh_keygen_makes_them_are_accepted(root: Path, key_type: str) -> None:
    text = asyncssh.generate_private_key(key_type).export_private_key().decode()
    (root / "id_ed25519").write_text(text)
    stack = settings.parse(samples.values(), root)
    assert stack.hosts["emei"].ssh.private_key.get_secret_value() == text


def test_the_private_key_is_not_in_what_a_stack_prints(root: Path) -> None:
    stack = settings.parse(samples.values(), root)
    assert stack.hosts["emei"].ssh.private_key.get_secret_value() == samples.PRIVATE_KEY
    for text in (repr(stack), str(stack), f"{stack.hosts}", str(stack.hosts["emei"].ssh)):
        assert "bm90" not in text


def test_an_agent_keeps_the_key_from_the_stack_altogether(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as that of a hardware token, which gives no key away."""
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/agent")
    values = samples.put(samples.put(samples.values(), "ssh.privateKeyFile", None), "ssh.agent", True)
    ssh = settings.parse(values, root).hosts["emei"].ssh
    assert ssh.by_agent
    assert openssh.options(ssh, None)[-2:] == ["-o", "IdentitiesOnly=no"]
    assert "-i" not in openssh.options(ssh, None)


def test_a_user_of_a_companys_directory_may_have_a_dot_in_the_name(root: Path) -> None:
    stack = settings.parse(samples.put(samples.values(), "ssh.user", "j.doe"), root)
    assert stack.hosts["emei"].ssh.user == "j.doe"
