"""Every certificate of a stack, where programs find it on its host and where its ports show it."""

import json
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from lab import hosts, toolchain
from render import hub
from render.certificates import Authority, Certificate
from render.harbor import proxy
from tests.lab import certificates
from tests.lab.certificates import FIRST, KUBELET_PKI, PKI, SELF_MADE, Found
from tests.lab.subject import program, stack

# zlint's lints come from documents. Those that bind any certificate of RFC 5280 apply here: the RFCs, and lints of
# plain mistakes (Community). Not what binds only who issues for the public: browsers' and CA/Browser Forum's rules (no
# internal names or private addresses, revocation services, a year is too long, policies and a country to be named),
# e-mail and code signing, European qualified certificates, OCSP (RFC 6960) and the public logs of RFC 6962.
APPLIES = "Community,RFC3279,RFC5280,RFC5480,RFC5891,RFC8813"
PRIVATE_KEY = re.compile(r"-----BEGIN \w* ?PRIVATE KEY-----.*?-----END \w* ?PRIVATE KEY-----\n", re.DOTALL)
PURPOSES = {"server_auth": "sslserver", "client_auth": "sslclient"}
LONGEST = {True: timedelta(days=3650), False: timedelta(days=365)}  # authorities, leaves
KEYS_OF_A_NODE = {FIRST, f"{KUBELET_PKI}/kubelet-client-current.pem"} | {
    f"{KUBELET_PKI}/kubelet-server-current.pem",
    f"{PKI}/kubelet-client.pem",
}
KEYS_OF_KUBEADM = {f"{PKI}/front-proxy-ca.key", f"{PKI}/etcd/ca.key"}  # its own commands go by them
KEYS_OF_A_MASTER = {f"{PKI}/{name}.key" for name in ("ca", "sa", "apiserver", "etcd/server", "etcd/peer")} | {
    *(f"{PKI}/{name}.key" for name in ("apiserver-kubelet-client", "apiserver-etcd-client", "front-proxy-client")),
    f"{PKI}/etcd/healthcheck-client.key",
}
HARBORS = {"harbor-ca": hub.CA, "harbor-server": proxy.CERTIFICATE}

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def files() -> dict[str, dict[str, str]]:
    """Everything on each host that holds a certificate or a key."""
    names = list(stack().hosts)
    with ThreadPoolExecutor() as pool:
        return dict(zip(names, pool.map(certificates.on_host, names), strict=True))


@pytest.fixture(scope="module")
def everything() -> list[Found]:
    """Every certificate on every host and at every port."""
    with ThreadPoolExecutor() as pool:
        found = [one for of_host in pool.map(_of_host, stack().hosts) for one in of_host]
    return [one for one in found if not (stack().adopted and one.place == f"{SELF_MADE}.crt")]


def _of_host(host: str) -> list[Found]:
    ports = [int(place) for place in certificates.expected(stack(), stack().hosts[host]) if place.isdigit()]
    return [*certificates.in_files(host), *(certificates.on_port(host, port) for port in ports)]


def wanted(found: Found) -> Certificate | Authority:
    """What a certificate should be; the file behind a kubelet's ``current`` carries the date of its issue."""
    host = stack().hosts[found.host]
    place = found.place
    for kind in ("client", "server"):
        if place.startswith(f"{KUBELET_PKI}/kubelet-{kind}-20"):
            place = f"{KUBELET_PKI}/kubelet-{kind}-current.pem"
    return certificates.expected(stack(), host)[place]


def brought(found: Found) -> bool:
    """A cluster that was adopted had it before: its authorities, and what its kubelets had asked for."""
    return bool(stack().adopted) and (isinstance(wanted(found), str) or found.place.startswith(KUBELET_PKI))


def test_there_is_no_certificate_that_nobody_knows_and_none_is_missing(everything: list[Found]) -> None:
    for host in stack().hosts.values():
        places = {found.place for found in everything if found.host == host.name}
        dated = {place for place in places if "/kubelet-client-20" in place or "/kubelet-server-20" in place}
        kept = {FIRST} if stack().adopted else set()
        assert places - dated - kept == set(certificates.expected(stack(), host)) - kept


def test_each_certificate_says_exactly_what_the_table_says(everything: list[Found]) -> None:
    assert [fault for found in everything for fault in certificates.faults(found, wanted(found), stack().adopted)] == []


def test_each_certificate_verifies_against_its_authority_for_each_of_its_uses(
    everything: list[Found], tmp_path: Path
) -> None:
    authorities = {found.place: found.pem for found in everything if isinstance(wanted(found), str)}
    trusted = {"ca": "ca.crt", "front-proxy-ca": "front-proxy-ca.crt", "etcd-ca": "etcd/ca.crt"}
    for name, path in trusted.items():
        (tmp_path / name).write_text(authorities[f"{PKI}/{path}"])
    for found in everything:
        row = wanted(found)
        (tmp_path / "one.pem").write_text(found.pem)
        authority, uses = (row, ["any"]) if isinstance(row, str) else (row.authority, _purposes(row))
        for use in uses:
            command = ["openssl", "verify", "-x509_strict", "-purpose", use, "-CAfile", authority, "one.pem"]
            done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{found}: {use}: {done.stderr}"


def _purposes(row: Certificate) -> list[str]:
    return [purpose for use, purpose in PURPOSES.items() if use in row.usages]


def test_all_hosts_trust_the_same_authorities(everything: list[Found]) -> None:
    kinds: dict[str, set[bytes]] = {}
    for found in everything:
        row = wanted(found)
        if isinstance(row, str):
            kinds.setdefault(row, set()).add(certificates.fingerprint(found.pem))
    assert {name: len(different) for name, different in kinds.items()} == {"ca": 1, "front-proxy-ca": 1, "etcd-ca": 1}


def test_each_certificate_is_valid_now_and_no_longer_than_its_kind_may_be(everything: list[Found]) -> None:
    now = datetime.now(UTC)
    for found in everything:
        certificate = found.certificate
        assert certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc, str(found)
        length = certificate.not_valid_after_utc - certificate.not_valid_before_utc
        assert brought(found) or length <= LONGEST[isinstance(wanted(found), str)], str(found)


def test_the_stacks_list_of_certificates_tells_when_each_on_the_hosts_ends(everything: list[Found]) -> None:
    told = {(row["name"], row["host"]): row["notAfter"] for row in program().outputs()["certificates"]}
    for found in everything:
        row = wanted(found)
        key = (row, None) if isinstance(row, str) else (row.name, row.host)
        if key in told and not found.place.startswith(KUBELET_PKI):  # the kubelet renews what lies there
            told_end = datetime.fromisoformat(told[key]).replace(microsecond=0)
            assert told_end == found.certificate.not_valid_after_utc, str(found)
    asked = {row for row in map(wanted, everything) if not isinstance(row, str)}
    unseen = {name for name, _ in told} - {row.name for row in asked} - {"ca", "front-proxy-ca", "etcd-ca"}
    assert unseen - set(HARBORS) == {"break-glass"}, "it lies on no host"


def test_the_stacks_list_tells_when_harbors_own_certificates_end() -> None:
    told = {row["name"]: row["notAfter"] for row in program().outputs()["certificates"]}
    assert set(HARBORS) <= set(told) or not stack().hubs()
    for host in stack().hubs():
        for name, path in HARBORS.items():
            found = Found(host, path, hosts.run(host, ["cat", path], check=True).stdout)
            told_end = datetime.fromisoformat(told[name]).replace(microsecond=0)
            assert told_end == found.certificate.not_valid_after_utc, str(found)


def test_each_program_shows_the_certificate_of_its_file(everything: list[Found]) -> None:
    """A program reads its certificate at start: one that was replaced under it shows the old one."""
    by_place = {(found.host, found.place): certificates.fingerprint(found.pem) for found in everything}
    ports = {"6443": f"{PKI}/apiserver.crt", "2379": f"{PKI}/etcd/server.crt", "2380": f"{PKI}/etcd/peer.crt"}
    ports["10250"] = f"{KUBELET_PKI}/kubelet-server-current.pem"
    shown = [(host, place) for host, place in by_place if place in ports]
    assert len(shown) == 3 * len(stack().masters()) + len(stack().nodes())
    for host, port in shown:
        assert by_place[host, port] == by_place[host, ports[port]], f"{host}:{port}"


def test_each_key_belongs_to_its_certificate_and_only_masters_can_sign(files: dict[str, dict[str, str]]) -> None:
    for host, texts in files.items():
        keys = {path: text for path, text in texts.items() if "PRIVATE KEY-----" in text}
        dated = {
            path
            for path in keys
            if path.startswith((f"{KUBELET_PKI}/kubelet-server-20", f"{KUBELET_PKI}/kubelet-client-20"))
        }
        kept = {FIRST, f"{SELF_MADE}.key", *KEYS_OF_KUBEADM} if stack().adopted else set()
        node = KEYS_OF_A_NODE if host in stack().nodes() else set()
        expected = node | (KEYS_OF_A_MASTER if host in stack().masters() else set())
        assert set(keys) - dated - kept == expected - kept
        for path, text in keys.items():
            pair = texts.get(path.removesuffix(".key") + ".crt", text)
            public = load_pem_private_key(PRIVATE_KEY.findall(text)[0].encode(), None).public_key()
            shown = texts[f"{PKI}/sa.pub"] if path == f"{PKI}/sa.key" else None
            proven = load_pem_public_key(shown.encode()) if shown else Found(host, path, pair).certificate.public_key()
            assert public == proven, f"{host}:{path}"


def test_all_masters_sign_and_verify_tokens_with_the_same_pair(files: dict[str, dict[str, str]]) -> None:
    assert len({(files[name][f"{PKI}/sa.key"], files[name][f"{PKI}/sa.pub"]) for name in stack().masters()}) == 1


def test_only_root_reads_a_key(files: dict[str, dict[str, str]]) -> None:
    for host, texts in files.items():
        secret = [path for path, text in texts.items() if "PRIVATE KEY-----" in text or "client-key-data" in text]
        modes = hosts.run(host, ["stat", "--dereference", "--format=%a %U %n", *secret]).stdout if secret else ""
        assert [line for line in modes.splitlines() if not line.startswith("600 root ")] == [], host


def lint(pems: dict[str, str], folder: Path) -> dict[str, list[str]]:
    """The lints that apply and that found an error, by certificate."""
    for number, pem in enumerate(pems.values()):
        (folder / f"{number}.pem").write_text(pem)
    paths = [str(folder / f"{number}.pem") for number in range(len(pems))]
    command = [str(toolchain.binary("checks", "zlint")), "-includeSources", APPLIES, *paths]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    reports = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert len(reports) == len(pems)
    return {
        name: [rule for rule, said in report.items() if said["result"] in ("error", "fatal")]
        for name, report in zip(pems, reports, strict=True)
    }


def test_zlint_finds_no_error_in_any_certificate(everything: list[Found], tmp_path: Path) -> None:
    verdicts = lint({str(found): found.pem for found in everything if not brought(found)}, tmp_path)
    assert {name: rules for name, rules in verdicts.items() if rules} == {}


def test_zlint_finds_an_error_where_there_is_one(tmp_path: Path) -> None:
    """The uses that kubeadm's table gives to each certificate, on an ECDSA key."""
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-subj", "/CN=x", "-keyout", "/dev/null", "-addext", "keyUsage=keyEncipherment,digitalSignature"]
    pem = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert lint({"x": pem}, tmp_path) == {"x": ["e_ecdsa_allowed_ku"]}
