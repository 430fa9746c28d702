"""Finds the key that a host must show, in an ordinary known_hosts file.

Owns: reading known_hosts as sshd(8) describes it: patterns, ports, hashed names, revoked keys.
Does not own: connecting (``components.host``). Nothing here trusts a key on first use.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DEFAULT_PORT = 22
# In the order in which they are pinned when a host has several. RSA comes last: the engine's SSH client asks for it as
# ssh-rsa (SHA-1), which OpenSSH refuses since 8.8.
KEY_TYPES = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa")
LAST_RESORT = KEY_TYPES[-1]
_HASHED = "|1|"


@dataclass(frozen=True)
class Entry:
    """One line of the file: which names it speaks for, and the key."""

    marker: str
    names: str
    key_type: str
    key: str


def read(path: Path) -> list[Entry]:
    """The file's entries; lines that are not entries are passed over, as ssh does."""
    return list(_entries(path.read_text(errors="replace")))


def find(entries: list[Entry], hosts: list[str], port: int) -> str | None:
    """The key to pin, as ``type base64``, for whichever of ``hosts`` is named first; None where none is."""
    revoked = {entry.key for entry in entries if entry.marker == "@revoked"}
    for host in hosts:
        name = name_of(host, port)
        keys = {
            entry.key_type: entry.key
            for entry in entries
            if not entry.marker and entry.key not in revoked and _speaks_for(entry.names, name)
        }
        for key_type in KEY_TYPES:
            if key_type in keys:
                return f"{key_type} {keys[key_type]}"
    return None


def name_of(host: str, port: int) -> str:
    """How a line of the file names what answers there."""
    return host if port == DEFAULT_PORT else f"[{host}]:{port}"


def _entries(text: str) -> Iterator[Entry]:
    for line in text.splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        marker = words.pop(0) if words[0].startswith("@") else ""
        if len(words) >= 3 and _is_key(words[1], words[2]):
            yield Entry(marker, words[0], words[1], words[2])


def _is_key(key_type: str, key: str) -> bool:
    try:
        blob = base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        return False
    length = int.from_bytes(blob[:4], "big")
    return blob[4 : 4 + length] == key_type.encode()


def _speaks_for(names: str, name: str) -> bool:
    if names.startswith(_HASHED):
        return _is_hash_of(names, name)
    patterns = names.lower().split(",")
    if any(_matches(pattern[1:], name) for pattern in patterns if pattern.startswith("!")):
        return False
    return any(_matches(pattern, name) for pattern in patterns if not pattern.startswith("!"))


def _is_hash_of(hashed: str, name: str) -> bool:
    try:
        salt, digest = (base64.b64decode(part, validate=True) for part in hashed.removeprefix(_HASHED).split("|"))
    except (binascii.Error, ValueError):
        return False
    # SHA-1 is the format's own; it hides the name, it does not protect the key.
    return hmac.compare_digest(hmac.new(salt, name.encode(), hashlib.sha1).digest(), digest)


def _matches(pattern: str, name: str) -> bool:
    expression = "".join({"*": ".*", "?": "."}.get(character, re.escape(character)) for character in pattern)
    return re.fullmatch(expression, name) is not None
