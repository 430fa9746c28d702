"""scripts/csr-approver.sh with requests that openssl makes and a kubectl that only notes what it was told.

All requests are put to one approver in one watch: what it says to one must not depend on the others.
"""

import base64
import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from render import csr_approver
from tests.scripts import forged_requests

NODE, OTHER = "system:node:huashan", "system:node:shaolin"
NAMES = "shaolin shaolin 192.0.2.11\nhuashan huashan 192.0.2.21 fd00::21\n"
SERVING = "digital signature,server auth,"
OWN_NAMES = "DNS:huashan,IP:192.0.2.21"
SECONDS = 20

# The first "get" is the watch, whose end is not the approver's: the second one says that all of it was decided.
KUBECTL = """#!/bin/sh
case "$1 $2" in
"get csr")
    [ -e "$STUB/asked" ] && touch "$STUB/decided" && exec sleep 60
    touch "$STUB/asked"
    cat "$STUB/requests" ;;
"certificate approve")
    echo "$3" >>"$STUB/approved"
    [ "$3" != api-away ] ;;
*) echo "unknown: $*" >>"$STUB/approved" ;;
esac
"""


@dataclass(frozen=True)
class Request:
    """A signing request as the API shows it: a good one of node huashan, but for what a test changes."""

    names: str = OWN_NAMES
    subject: str = f"/O=system:nodes/CN={NODE}"
    username: str = NODE
    usages: str = SERVING
    decided: str = ""
    extensions: Mapping[str, str] = field(default_factory=dict)

    def pem(self, key: Path) -> bytes:
        """What openssl makes of it."""
        extensions = {**({"subjectAltName": self.names} if self.names else {}), **self.extensions}
        added = [word for name, value in extensions.items() for word in ("-addext", f"{name}={value}")]
        command = ["openssl", "req", "-new", "-key", str(key), "-subj", self.subject, *added]
        return subprocess.run(command, capture_output=True, check=True).stdout


class TwoBlocks(Request):
    """Go passes over the first block, whose end isn't alone on its line; openssl doesn't mind."""

    def pem(self, key: Path) -> bytes:
        return super().pem(key).rstrip(b"\n") + b"\x01\n" + Request("DNS:kubernetes").pem(key)


class TwoLists(Request):
    """Go passes over the first list of extensions."""

    def pem(self, key: Path) -> bytes:
        command = ["openssl", "pkey", "-in", str(key), "-pubout", "-outform", "DER"]
        public_key = subprocess.run(command, capture_output=True, check=True).stdout
        own, others = forged_requests.names(["huashan"]), forged_requests.names(["kubernetes"])
        return forged_requests.two_lists(NODE, public_key, own, others)


APPROVED = {
    "own-name-and-address": Request(),
    "rsa-usages": Request(usages="digital signature,key encipherment,server auth,"),
    "rsa-usages-in-another-order": Request(usages="key encipherment,digital signature,server auth,"),
    "address-alone": Request("IP:192.0.2.21"),
    "api-away": Request(),
    "after-one-that-failed": Request(),
}
LEFT_ALONE = {
    "name-of-another-node": Request("DNS:shaolin"),
    "address-of-another-node": Request("DNS:huashan,IP:192.0.2.11"),
    "one-name-more": Request(f"{OWN_NAMES},DNS:kubernetes"),
    "name-behind-a-line-break": Request("DER:" + forged_requests.names(["huashan\n", "kubernetes"]).hex()),
    "second-block-that-only-kubernetes-reads": TwoBlocks(),
    "second-list-that-only-kubernetes-reads": TwoLists(),
    "extension-that-no-kubelet-asks-for": Request(extensions={"basicConstraints": "CA:TRUE"}),
    "name-that-begins-like-its-own": Request("DNS:huashan.example.com"),
    "wildcard": Request("DNS:*,IP:192.0.2.21"),
    "regular-expression": Request("DNS:.*"),
    "uri": Request(f"{OWN_NAMES},URI:spiffe://cluster/huashan"),
    "mail": Request(f"{OWN_NAMES},email:huashan@example.com"),
    "no-names": Request(""),
    "client-certificate": Request(usages="digital signature,client auth,"),
    "client-and-server": Request(usages="digital signature,server auth,client auth,"),
    "no-usages": Request(usages=""),
    "asked-by-another-node": Request(username=OTHER),
    "asked-by-another-node-in-its-own-name": Request(username=OTHER, subject=f"/O=system:nodes/CN={OTHER}"),
    "in-the-name-of-another-node": Request(subject=f"/O=system:nodes/CN={OTHER}"),
    "asked-by-a-node-of-no-host": Request(
        "DNS:kunlun", username="system:node:kunlun", subject="/O=system:nodes/CN=system:node:kunlun"
    ),
    "asked-by-an-administrator": Request(username="kubernetes-admin"),
    "asked-by-a-service-account": Request(username="system:serviceaccount:kube-system:huashan"),
    "wrong-organization": Request(subject=f"/O=system:masters/CN={NODE}"),
    "one-organization-more": Request(subject=f"/O=system:nodes/O=system:masters/CN={NODE}"),
    "no-organization": Request(subject=f"/CN={NODE}"),
    "approved-before": Request(decided="Approved"),
    "denied-before": Request(decided="Denied"),
}


@dataclass(frozen=True)
class Decisions:
    """What one run of the approver did."""

    approved: list[str]
    said: dict[str, str]


@pytest.fixture(scope="module")
def decisions(tmp_path_factory: pytest.TempPathFactory) -> Decisions:
    """One run over all requests, refusals and approvals in turn."""
    folder = tmp_path_factory.mktemp("approver")
    key = folder / "key"
    subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key], check=True)
    rows = [_row(name, request, key) for name, request in {**LEFT_ALONE, **APPROVED}.items()]
    (folder / "requests").write_text(f"garbage|{NODE}|{SERVING}|bm90IGEgcmVxdWVzdA==|\n" + "".join(rows))
    (folder / "names").write_text(NAMES)
    (folder / "kubectl").write_text(KUBECTL)
    (folder / "kubectl").chmod(0o755)
    (folder / "cwd").mkdir()
    (folder / "cwd" / "huashan").touch()  # what a shell that expands names would make of "*"
    said = _run(folder)
    return Decisions((folder / "approved").read_text().split(), said)


def _row(name: str, request: Request, key: Path) -> str:
    encoded = base64.b64encode(request.pem(key)).decode()
    return f"{name}|{request.username}|{request.usages}|{encoded}|{request.decided}\n"


def _run(folder: Path) -> dict[str, str]:
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "STUB": str(folder)}
    environment["NAMES"] = str(folder / "names")
    with (folder / "said").open("w") as said:
        approver = subprocess.Popen(
            ["sh", str(csr_approver.SCRIPT)],
            cwd=folder / "cwd",
            env=environment,
            stdout=said,
            stderr=subprocess.DEVNULL,
            process_group=0,
        )
    deadline = time.monotonic() + SECONDS
    while not (folder / "decided").exists():
        assert time.monotonic() < deadline, (folder / "said").read_text()
        time.sleep(0.05)
    os.killpg(approver.pid, 15)
    approver.wait()
    lines = [line.split(": ", 1) for line in (folder / "said").read_text().splitlines()]
    return {rest.split(" ", 1)[0]: verdict for verdict, rest in lines}


@pytest.mark.parametrize("name", APPROVED)
def test_a_request_for_a_nodes_own_names_by_the_node_itself_is_approved(name: str, decisions: Decisions) -> None:
    assert name in decisions.approved
    assert decisions.said[name] == "approved"


@pytest.mark.parametrize("name", LEFT_ALONE)
def test_a_request_for_anything_more_is_left_alone(name: str, decisions: Decisions) -> None:
    assert name not in decisions.approved
    assert decisions.said.get(name) != "approved"


def test_nothing_but_good_requests_is_approved_and_each_once(decisions: Decisions) -> None:
    assert sorted(decisions.approved) == sorted(APPROVED)


def test_a_node_that_asks_for_too_much_is_told_in_the_journal(decisions: Decisions) -> None:
    assert {decisions.said[name] for name in ("one-name-more", "client-certificate", "garbage")} == {"left alone"}
