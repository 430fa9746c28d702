"""What the engine's SSH client says when it cannot get to a host, in our words: host, step, cause and remedy.

Owns: which of its messages means what, and which of the stack's keys is then at fault. Does not own: dialling
(``components.host``), or what fails on the host itself, which the scripts there tell.

The engine's command plugin words its errors as Go's SSH library does, the lab's as Python's; both are known here.
"""

import base64
import hashlib
import re
from dataclasses import dataclass

from settings import Bastion, Host

DIAL_FAILED = "failed attempts: "
PROXY = "proxy: "


@dataclass(frozen=True)
class _Cause:
    """``words``: a pattern for what the SSH client says. The other two are filled in from ``_Peer``."""

    words: str
    cause: str
    remedy: str


@dataclass(frozen=True)
class _Peer:
    """Whose answer is missing: the host's or its bastion's, with the keys that say how it is reached."""

    who: str
    address: str
    port: int
    user: str
    key: str
    key_remedy: str
    pinned: str
    address_key: str
    port_key: str
    user_key: str


_OWN_KEY = ("the key that evenkeel:ssh.privateKeyFile or evenkeel:sshPrivateKey has", "")
_AGENTS_KEY = ("a key that the SSH agent of this machine has", "give the agent the right one ('ssh-add FILE'), ")
# In this order: a name that does not resolve also cannot be reached.
_DIALS = (
    _Cause(
        r"no such host|lookup .* server misbehaving|name or service not known|name resolution|no address associated",
        "the name {address} of {who} does not resolve on this machine",
        "give {address_key} an address, or add the name to the DNS that this machine asks",
    ),
    _Cause(
        r"rejected: |open failed|channel open",
        "the bastion lets nobody through to {who} at port {port}",
        "see that the bastion reaches it and that its sshd has AllowTcpForwarding, or correct {address_key}",
    ),
    _Cause(
        r"host key mismatch|host key is not trusted|no common algorithm for host key|no matching host key",
        "{who} shows another host key than {pinned}, which the file of evenkeel:ssh.knownHosts holds for {address}",
        "if it was set up anew, read its key on its own console (/etc/ssh/ssh_host_*_key.pub) and put that into the "
        "file; if it was not, another machine answers: correct {address_key}",
    ),
    _Cause(
        r"unable to authenticate|permission denied",
        "{who} does not let user {user} in with {key}",
        "{key_remedy}add its public half to ~{user}/.ssh/authorized_keys there, or correct {user_key}",
    ),
    _Cause(
        r"connection refused|errno 111",
        "{who} refuses connections to port {port}",
        "start sshd there, or correct {port_key} or {address_key}",
    ),
    _Cause(
        r"timed? ?out|no route to host|errno 113|network is unreachable|host is (down|unreachable)|errno 101",
        "{who} does not answer at port {port}",
        "see that it is up and that no firewall stands in between, or correct {address_key}",
    ),
    _Cause(
        r"connection reset|connection lost|connection closed|broken pipe|\beof\b",
        "the SSH server of {who} hangs up before it lets anybody in",
        "read there why ('journalctl -u ssh'; MaxStartups, PerSourcePenalties and a full disk are usual)",
    ),
)
_LOST = _Cause(
    r"^connection lost|without exit status or exit signal|^eof",
    "the connection was lost while this step ran",
    "see that the host is up, and run up again: a step that was cut off is taken up then",
)


def told(host: Host, step: str, error: str) -> str | None:
    """The error of a step in our words, or None where it does not come from the way to the host."""
    if DIAL_FAILED in error:
        said = error.rpartition(DIAL_FAILED)[2].strip()
        peer = _peer(host, error, said)
        found = next((one for one in _DIALS if re.search(one.words, said, re.IGNORECASE)), None)
        cause = found.cause.format(**vars(peer)) if found else f"{peer.who} cannot be reached"
        remedy = found.remedy.format(**vars(peer)) if found else f"try `ssh {peer.user}@{peer.address}` by hand"
        return _line(host, step, f"{cause} ({said})", remedy)
    if re.search(_LOST.words, error.partition(": running ")[0], re.IGNORECASE):
        return _line(host, step, _LOST.cause, _LOST.remedy)
    return None


def _line(host: Host, step: str, cause: str, remedy: str) -> str:
    return f"evenkeel: {host.name} ({host.address}): {step}: {cause}; {remedy}"


def _peer(host: Host, error: str, said: str) -> _Peer:
    """The official plugin says ``proxy:`` of everything on a way that leads through one."""
    bastion = host.ssh.bastion
    if bastion is None or not error.startswith(PROXY) or re.search(_DIALS[1].words, said, re.IGNORECASE):
        return _host(host)
    return _bastion(bastion, host)


def _host(host: Host) -> _Peer:
    own, ssh = f"evenkeel:hosts.{host.name}", host.ssh
    address_key = f"{own}.address" if ssh.host == host.address else f"{own}.ssh.host"
    keys = (address_key, f"evenkeel:ssh.port (or {own}.ssh.port)", f"evenkeel:ssh.user (or {own}.ssh.user)")
    return _Peer("the host", ssh.host, ssh.port, ssh.user, *_key(host), _fingerprint(ssh.host_key), *keys)


def _bastion(bastion: Bastion, host: Host) -> _Peer:
    keys = (f"evenkeel:ssh.bastion.{key} (or evenkeel:hosts.{host.name}.ssh.bastion.{key})" for key in _BASTION_KEYS)
    who = f"the bastion {bastion.host} (or the host behind it)"
    return _Peer(who, bastion.host, bastion.port, bastion.user, *_key(host), _fingerprint(bastion.host_key), *keys)


_BASTION_KEYS = ("host", "port", "user")


def _key(host: Host) -> tuple[str, str]:
    return _AGENTS_KEY if host.ssh.by_agent else _OWN_KEY


def _fingerprint(host_key: str) -> str:
    """As ``ssh-keygen -lf`` prints it."""
    digest = hashlib.sha256(base64.b64decode(host_key.split()[1])).digest()
    return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"
