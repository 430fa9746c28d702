"""The secrets of a stack, and where else they are found.

Owns: which bytes of a secret nobody else may hold, and the forms in which they would travel. Does not own the places
that are searched.

A key's PEM also holds its public half, which is no secret and lies in certificates in the same letters. So only those
lines count in which bytes of the private number lie; a single line is searched for, so that it doesn't matter how a
text's lines are divided or escaped.
"""

import base64
import json
import re
import subprocess
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_ssh_private_key

LEAST_BYTES = 12  # of a private number in a line that counts
BLOCK = re.compile(r"-----BEGIN ([A-Z ]*)PRIVATE KEY-----\n(.*?)\n-----END", re.DOTALL)
KEY_DATA = re.compile(r"client-key-data: (\S+)")
RANDOM_WORD = "random:index/randomPassword:RandomPassword"
TOKEN = "eyJhbGciOi"  # how every JSON web token begins


@dataclass
class Secrets:
    """What is searched for: each form of each line, and whose it is."""

    owners: dict[str, str] = field(default_factory=dict)

    def names(self) -> set[str]:
        """Whose secrets these are."""
        return set(self.owners.values())

    def add(self, owner: str, pem: str) -> None:
        """A private key's PEM."""
        for line in private_lines(pem):
            self.add_word(owner, line)

    def add_keys(self, owner: str, text: str) -> None:
        """Every private key in a text."""
        for pem in _keys(text):
            self.add(owner, pem)

    def add_word(self, owner: str, word: str) -> None:
        """A password, or whatever else is secret as a whole."""
        for form in forms(word):
            self.owners.setdefault(form, owner)

    def patterns(self, *more: str) -> str:
        """As ``grep -F -f`` reads them."""
        return "".join(f"{pattern}\n" for pattern in [*self.owners, *more])

    def lines_in(self, file: Path, *more: str) -> list[str]:
        """The lines of a file in which something is found."""
        return self._grep(["-ahF", "-f", "-", str(file)], *more).splitlines()

    def found(self, folder: Path, *more: str) -> list[str]:
        """``file: owner`` for each secret that is found in a folder's files."""
        hits = set(self._grep(["-aorHF", "-f", "-", "."], *more, folder=folder).splitlines())
        named = (hit.partition(":") for hit in hits)
        return sorted({f"{file.removeprefix('./')}: {self.owners.get(what, what)}" for file, _, what in named})

    def _grep(self, arguments: list[str], *more: str, folder: Path | None = None) -> str:
        done = subprocess.run(
            ["grep", *arguments], input=self.patterns(*more), capture_output=True, text=True, check=False, cwd=folder
        )
        assert done.returncode in (0, 1), done.stderr
        return done.stdout


def of_deployment(deployment: Mapping[str, Any], secrets: Secrets) -> Secrets:
    """Adds every private key in a state whose secrets are shown, whether it is marked as a secret there or not, and
    every word that was drawn at random."""
    for resource in deployment["resources"]:
        owner = resource["urn"].rpartition("::")[2]
        if resource["type"] == RANDOM_WORD:
            secrets.add_word(owner, json.loads(resource["outputs"]["result"]["plaintext"]))
        for text in _texts(resource):
            secrets.add_keys(owner, text)
    return secrets


def private_lines(pem: str) -> list[str]:
    """The lines of a key's PEM in which bytes of the private number lie."""
    lines = pem.strip().splitlines()[1:-1]
    body = base64.b64decode("".join(lines))
    spans = []
    for number in _private_numbers(pem):
        start = body.index(number)
        spans.append((start, start + len(number)))
    kept, letters = [], 0
    for line in lines:
        first, last = letters * 3 // 4, (letters + len(line)) * 3 // 4
        letters += len(line)
        if any(min(last, end) - max(first, start) >= LEAST_BYTES for start, end in spans):
            kept.append(line)
    return kept


def forms(line: str) -> set[str]:
    """As it is, escaped as JSON and URLs may, and as part of a longer text in base64, wherever it begins there."""
    texts = {line, line.replace("/", "\\/"), line.replace("+", "\\u002b"), urllib.parse.quote(line, safe="")}
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + line.encode()).decode()
        texts.add(encoded[4 if shift else 0 : -4])  # the letters at both ends depend on what is beside the line
    return texts


def _private_numbers(pem: str) -> list[bytes]:
    ssh = "OPENSSH" in pem.splitlines()[0]
    key = (load_ssh_private_key if ssh else load_pem_private_key)(pem.encode(), password=None)
    if isinstance(key, EllipticCurvePrivateKey):
        return [_as_short_as_can_be(key.private_numbers().private_value)]
    if isinstance(key, RSAPrivateKey):
        numbers = key.private_numbers()
        return [_as_short_as_can_be(number) for number in (numbers.p, numbers.q, numbers.d)]
    assert isinstance(key, Ed25519PrivateKey), type(key)
    return [key.private_bytes_raw()]


def _as_short_as_can_be(number: int) -> bytes:
    """Without leading zeros, which OpenSSH leaves out of a key and PEM's other forms don't."""
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def _keys(text: str) -> Iterator[str]:
    for kind, body in BLOCK.findall(text):
        yield f"-----BEGIN {kind}PRIVATE KEY-----\n{body}\n-----END {kind}PRIVATE KEY-----\n"
    for data in KEY_DATA.findall(text):
        yield from _keys(base64.b64decode(data).decode())


def _texts(value: Any) -> Iterator[str]:
    """The strings in a part of a state; a secret that is shown is JSON within ``plaintext``."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, Mapping):
        shown = value.get("plaintext")
        yield from _texts(json.loads(shown) if isinstance(shown, str) else list(value.values()))
