"""How this machine's ``ssh`` is told to reach a host: it asks nobody, heeds none of the user's own settings, and
accepts just the key that is pinned for the host.

Owns ssh's options. Does not own who calls ``ssh``: ``components`` (Docker's plugin, an adopted cluster's
snapshot) and ``ops``.
"""

import shlex

from settings import Bastion, Ssh

DIAL_SECONDS = 10


def options(ssh: Ssh, identity: str | None) -> list[str]:
    """The options, with the private key in the file ``identity``, or None for those of an SSH agent."""
    bastion = ["-o", f"ProxyCommand={_through(ssh.bastion, identity)}"] if ssh.bastion else []
    return [*_options(ssh.host_key, identity), *bastion]


def command(ssh: Ssh, identity: str | None, words: list[str]) -> list[str]:
    """The whole command that runs ``words`` on the host."""
    return [
        "ssh",
        *options(ssh, identity),
        "-l",
        ssh.user,
        "-p",
        str(ssh.port),
        "-T",
        "--",
        ssh.host,
        shlex.join(words),
    ]


def _options(host_key: str, identity: str | None) -> list[str]:
    kind = host_key.split()[0]
    chosen = {
        "BatchMode": "yes",
        "ConnectTimeout": str(DIAL_SECONDS),
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": "none",
        "GlobalKnownHostsFile": "none",
        "KnownHostsCommand": f"/bin/echo %H {host_key}",
        "HostKeyAlgorithms": "rsa-sha2-512,rsa-sha2-256" if kind == "ssh-rsa" else kind,
        "IdentitiesOnly": "yes" if identity else "no",
    }
    words = [word for name, value in chosen.items() for word in ("-o", f"{name}={value}")]
    return ["-F", "none", *words, *(["-i", identity] if identity else [])]


def _through(bastion: Bastion, identity: str | None) -> str:
    """The bastion's own ``ssh``: a plain jump would take over neither its key nor the pinned one."""
    words = ["ssh", *_options(bastion.host_key, identity), "-l", bastion.user, "-p", str(bastion.port)]
    return f"{shlex.join(words).replace('%', '%%')} -W [%h]:%p {shlex.quote(bastion.host)}"
