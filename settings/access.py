"""Resolves how each host is reached: key, user, port, bastion and the key that the host must show.

Owns: laying a host's own ``ssh`` over the stack's, reading the private key, looking hosts up in known_hosts.
Does not own: connecting (``components.host``).
"""

import base64
import binascii
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import SecretStr

from settings import known_hosts
from settings.draft import HOSTS, Draft
from settings.errors import HIDDEN, Fault, fault
from settings.paths import path_of, reason
from settings.schema import BastionSettings, HostSettings, SshSettings
from settings.secret_keys import SSH_KEY, setting
from settings.stack import Bastion, Host, Ssh

AGENT_SOCKET = "SSH_AUTH_SOCK"  # as OpenSSH's own programs and pulumi-command find it

_OPENSSH = "-----BEGIN OPENSSH PRIVATE KEY-----"
_UNENCRYPTED = b"openssh-key-v1\x00\x00\x00\x00\x04none"


def resolve(draft: Draft, root: Path) -> dict[str, Ssh]:
    """How each readable host is reached; what stands in the way is added to the draft's faults."""
    if draft.ssh is None:
        return {}
    private_key = _private_key(draft, draft.ssh, root)
    entries = _known_hosts(draft, draft.ssh, root)
    if entries is None:
        return {}
    resolver = _Resolver(draft, draft.ssh, entries, private_key or SecretStr(""))
    return {name: ssh for name, host in draft.hosts.items() if (ssh := resolver.ssh(name, host)) is not None}


def warned(hosts: Mapping[str, Host]) -> Iterator[Fault]:
    """Warns where the engine's SSH client and a host's sshd may not find a common kind of host key."""
    for name, host in hosts.items():
        if host.ssh.host_key.startswith(known_hosts.LAST_RESORT):
            what = "is known by an RSA key only, which is asked for with SHA-1: OpenSSH refuses that since 8.8"
            remedy = f"add its Ed25519 key, from `ssh-keyscan -p {host.ssh.port} -t ed25519 {host.ssh.host}`"
            yield fault(_reached_by(name, host.ssh.host != host.address), host.ssh.host, what, remedy)


class _Resolver:
    """Everything that the hosts of a stack have in common while they are resolved."""

    def __init__(
        self, draft: Draft, ssh: SshSettings, entries: list[known_hosts.Entry], private_key: SecretStr
    ) -> None:
        self._draft, self._ssh, self._entries, self._private_key = draft, ssh, entries, private_key

    def ssh(self, name: str, host: HostSettings) -> Ssh | None:
        target, port = host.ssh.host or host.address, host.ssh.port or self._ssh.port
        host_key = self._host_key(_reached_by(name, host.ssh.host is not None), [target, name], port)
        # Null is an answer: this host is reached without the stack's bastion.
        settings = host.ssh.bastion if "bastion" in host.ssh.model_fields_set else self._ssh.bastion
        bastion = self._bastion(name, host, settings) if settings else None
        if host_key is None or (settings and bastion is None):
            return None
        user, file = host.ssh.user or self._ssh.user, self._ssh.private_key_file
        return Ssh(target, port, user, host_key, self._private_key, bastion, file)

    def _bastion(self, name: str, host: HostSettings, bastion: BastionSettings) -> Bastion | None:
        path = (HOSTS, name, "ssh", "bastion", "host") if host.ssh.bastion else ("ssh", "bastion", "host")
        host_key = self._host_key(path, [bastion.host], bastion.port)
        if host_key is None:
            return None
        return Bastion(bastion.host, bastion.port, bastion.user or self._ssh.user, host_key, self._private_key)

    def _host_key(self, path: tuple[str, ...], hosts: list[str], port: int) -> str | None:
        host_key = known_hosts.find(self._entries, hosts, port)
        if host_key is None:
            missing = fault(
                path,
                hosts[0],
                f"has no host key for port {port} in {self._ssh.known_hosts}",
                f"read it with `ssh-keyscan -p {port} {hosts[0]}`, compare it with the host's own, and add it there",
            )
            if missing not in self._draft.faults:
                self._draft.faults.append(missing)
        return host_key


def _reached_by(name: str, for_ssh: bool) -> tuple[str, ...]:
    """The key of what a host is reached by: the address on the cluster's network, or one for SSH alone."""
    return (HOSTS, name, "ssh", "host") if for_ssh else (HOSTS, name, "address")


def _known_hosts(draft: Draft, ssh: SshSettings, root: Path) -> list[known_hosts.Entry] | None:
    try:
        return known_hosts.read(path_of(ssh.known_hosts, root))
    except (OSError, ValueError) as error:
        remedy = "name an ordinary known_hosts file that holds the keys of all hosts"
        draft.faults.append(fault(["ssh", "knownHosts"], ssh.known_hosts, f"cannot be read ({reason(error)})", remedy))
        return None


def _private_key(draft: Draft, ssh: SshSettings, root: Path) -> SecretStr | None:
    """None where there is none, because of a fault or because an agent has it."""
    private_key = draft.secrets.get(SSH_KEY)
    if ssh.agent:
        if private_key is not None or ssh.private_key_file is not None:
            what = f"is set, and so is {SSH_KEY if private_key is not None else 'ssh.privateKeyFile'}"
            draft.faults.append(fault(_AGENT, "true", what, "keep one of the two"))
        elif not os.environ.get(AGENT_SOCKET):
            remedy = "start one and give it the key (`eval $(ssh-agent)`, `ssh-add FILE`), or name the key's file"
            draft.faults.append(fault(_AGENT, "true", f"no agent runs here ({AGENT_SOCKET} is not set)", remedy))
        return None
    if private_key is not None and ssh.private_key_file is not None:
        what = f"is given, and so is {SSH_KEY}"
        draft.faults.append(fault(_KEY_FILE, ssh.private_key_file, what, "keep one of the two"))
        return None
    if private_key is not None:
        return _usable(draft, (SSH_KEY,), HIDDEN, private_key)
    if ssh.private_key_file is None:
        remedy = f"name the key's file, set it with {setting(SSH_KEY)}, or let an SSH agent have it (ssh.agent: true)"
        draft.faults.append(fault(_KEY_FILE, None, f"is not set, and neither is {SSH_KEY}", remedy))
        return None
    try:
        text = path_of(ssh.private_key_file, root).read_text()
    except (OSError, ValueError, RuntimeError) as error:
        remedy = "name the file of an SSH private key that can be read, or let an SSH agent have it (ssh.agent: true)"
        draft.faults.append(fault(_KEY_FILE, ssh.private_key_file, f"cannot be read ({reason(error)})", remedy))
        return None
    return _usable(draft, _KEY_FILE, ssh.private_key_file, text)


_KEY_FILE = ("ssh", "privateKeyFile")
_AGENT = ("ssh", "agent")


def _usable(draft: Draft, path: tuple[str, ...], value: str, text: str) -> SecretStr | None:
    if "-----BEGIN" not in text or "PRIVATE KEY-----" not in text:
        draft.faults.append(fault(path, value, "is not an SSH private key", "give the private half of a key pair"))
        return None
    if _is_encrypted(text):
        unlocked = "give a key without one, since nobody can type while hosts are set up"
        remedy = f"{unlocked}, or let an SSH agent have it (ssh.agent: true)"
        draft.faults.append(fault(path, value, "is protected by a passphrase", remedy))
        return None
    return SecretStr(text)


def _is_encrypted(text: str) -> bool:
    if _OPENSSH not in text:
        return "ENCRYPTED" in text
    body = text.partition(_OPENSSH)[2].partition("-----")[0]
    try:
        return not base64.b64decode("".join(body.split())).startswith(_UNENCRYPTED)
    except (binascii.Error, ValueError):
        return False
