"""Every certificate that lies on a host or is shown by one of its ports, and what it should say.

Owns finding and reading them, and what is expected where (``render.certificates`` owns what a row says). Does not own
the verdicts: the tests do.
"""

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass

import yaml
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lab import hosts
from render.certificates import AUTHORITIES, SIGNER, Authority, Certificate, table
from settings import Adopted, Host, Stack

PKI = "/etc/kubernetes/pki"
KUBELET_PKI = "/var/lib/kubelet/pki"
BALANCER_CA = "/var/lib/evenkeel/lb/apiserver.ca.pem"
FOLDERS = ("/etc/kubernetes", KUBELET_PKI, "/var/lib/evenkeel", "/etc/nginx", "/etc/keepalived")
# Copies of what lies in the other folders: what waits for a host's turn, and what an adopted master had before.
COPIES = ("/var/lib/evenkeel/staged", "/var/lib/evenkeel/adopted")
# What a kubelet had before its cluster was adopted: it goes on with its own client certificate, and its old serving
# certificate, which it had made for itself, lies there and is read by nobody.
FIRST = f"{KUBELET_PKI}/kubelet-client-first.pem"
SELF_MADE = f"{KUBELET_PKI}/kubelet"

# Harbor's authority is no row of the table, nor one of the cluster's.
OTHERS = "harbor.ca.pem"
# A file a line: its path and its text in base64. A link counts as a file, because programs open it.
PRUNED = "".join(f"-path {copies} -prune -o " for copies in COPIES)
FIND = (
    f"find {' '.join(FOLDERS)} {PRUNED} ! -type d ! -name {OTHERS} -print 2>/dev/null | "
    "while read -r path; do "
    'grep -lqE -e \'-----BEGIN|-data:\' "$path" && echo "$path $(base64 -w 0 "$path")"; done; true'
)
PEM = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", re.DOTALL)
KEY_USES = {"digital_signature": "digital_signature", "cert_signing": "key_cert_sign"}
OTHER_KEY_USES = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "crl_sign")
EXTENDED_USES = {"server_auth": ExtendedKeyUsageOID.SERVER_AUTH, "client_auth": ExtendedKeyUsageOID.CLIENT_AUTH}


@dataclass(frozen=True)
class Found:
    """A certificate at a place of a host: a file's path, or a port."""

    host: str
    place: str
    pem: str

    @property
    def certificate(self) -> x509.Certificate:
        """What it says."""
        return x509.load_pem_x509_certificate(self.pem.encode())

    def __str__(self) -> str:
        return f"{self.host}:{self.place}"


def on_host(host: str) -> dict[str, str]:
    """Every file of a host that holds a certificate or a key, by path."""
    lines = hosts.run(host, FIND, check=True).stdout.splitlines()
    return {path: base64.b64decode(text).decode() for path, text in (line.split() for line in lines)}


def in_files(host: str) -> Iterator[Found]:
    """The certificates in them; those of a kubeconfig are told apart by the field's name."""
    for path, text in on_host(host).items():
        if path.endswith(".conf"):
            for field, value in _embedded(text):
                yield Found(host, f"{path}#{field}", value)
        for pem in PEM.findall(text):
            yield Found(host, path, pem)


def on_port(host: str, port: int) -> Found:
    """The certificate that a port shows to whoever asks; the handshake need not end well."""
    address = hosts.ADDRESSES[host]
    shown = hosts.run(host, f"openssl s_client -connect {address}:{port} </dev/null 2>/dev/null").stdout
    found = PEM.search(shown)
    assert found, f"{host}: no certificate at port {port}"
    return Found(host, str(port), found[0])


def expected(stack: Stack, host: Host) -> dict[str, Certificate | Authority]:
    """What must be at each place of a host: a row of the table, or an authority."""
    places: dict[str, Certificate | Authority] = {}
    if "lb" in host.roles:
        places[BALANCER_CA] = "ca"
    if host.name in stack.nodes():
        places |= _of_node(stack, host)
    if host.name in stack.masters():
        places |= _of_master(stack, host)
    return places


def serving(host: Host) -> Certificate:
    """What a kubelet asks for and gets from the cluster: no row of the table."""
    user = f"system:node:{host.name}"
    uses = ("digital_signature", "server_auth")
    return Certificate(
        f"kubelet-serving-{host.name}", "ca", user, uses, "system:nodes", (host.name,), (host.address,), host.name
    )


def faults(found: Found, wanted: Certificate | Authority, adopted: Adopted | None) -> list[str]:
    """In what a certificate differs from what it should say. An adopted cluster's authorities are what they were."""
    if isinstance(wanted, str) and adopted:
        same = fingerprint(found.pem) == fingerprint(adopted.authorities[wanted].certificate)
        return [] if same else [f"{found}: is not the authority that the cluster brought along"]
    if isinstance(wanted, str):
        wanted = Certificate(wanted, wanted, AUTHORITIES[wanted], SIGNER)
    certificate = found.certificate
    brought = adopted is not None and found.place.startswith(KUBELET_PKI)
    pairs = {
        "subject": (_subject(certificate), _wanted_subject(wanted)),
        "names": (_names(certificate), (sorted(wanted.dns_names), sorted(wanted.ip_addresses))),
        "uses": (_uses(certificate, brought), sorted(wanted.usages)),
        "authority": (_is_authority(certificate), wanted.usages == SIGNER),
    }
    return [f"{found}: {what}: {has}, not {should}" for what, (has, should) in pairs.items() if has != should]


def fingerprint(pem: str) -> bytes:
    """Equal for equal certificates, however their text is laid out."""
    return x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER)


def _of_node(stack: Stack, host: Host) -> dict[str, Certificate | Authority]:
    rows = {row.name: row for row in table(stack)}
    first = rows[f"kubelet-{host.name}"]
    return {
        f"{PKI}/ca.crt": "ca",
        f"{PKI}/kubelet-client.pem": first,
        FIRST: first,
        f"{KUBELET_PKI}/kubelet-client-current.pem": first,
        f"{KUBELET_PKI}/kubelet-server-current.pem": serving(host),
        "10250": serving(host),
    }


def _of_master(stack: Stack, host: Host) -> dict[str, Certificate | Authority]:
    rows = {row.name: row for row in table(stack)}
    apiserver = rows[f"apiserver-{host.name}"]
    server, peer = rows[f"etcd-server-{host.name}"], rows[f"etcd-peer-{host.name}"]
    places: dict[str, Certificate | Authority] = {
        f"{PKI}/apiserver.crt": apiserver,
        "6443": apiserver,
        f"{PKI}/etcd/server.crt": server,
        "2379": server,
        f"{PKI}/etcd/peer.crt": peer,
        "2380": peer,
        f"{PKI}/front-proxy-ca.crt": "front-proxy-ca",
        f"{PKI}/etcd/ca.crt": "etcd-ca",
        f"{PKI}/etcd/healthcheck-client.crt": rows["etcd-healthcheck-client"],
    }
    for name in ("apiserver-kubelet-client", "apiserver-etcd-client", "front-proxy-client"):
        places[f"{PKI}/{name}.crt"] = rows[name]
    for name in ("admin", "controller-manager", "scheduler", "evenkeel/csr-approver"):
        path = f"/etc/kubernetes/{name}.conf"
        places[f"{path}#client-certificate-data"] = rows[name.rpartition("/")[2]]
        places[f"{path}#certificate-authority-data"] = "ca"
    return places


def _embedded(kubeconfig: str) -> Iterator[tuple[str, str]]:
    document = yaml.safe_load(kubeconfig)
    for entry in [*(one["cluster"] for one in document["clusters"]), *(one["user"] for one in document["users"])]:
        for field, value in entry.items():
            if field in ("client-certificate-data", "certificate-authority-data"):
                yield field, base64.b64decode(value).decode()


def _subject(certificate: x509.Certificate) -> list[tuple[str, str]]:
    return sorted((attribute.oid.dotted_string, str(attribute.value)) for attribute in certificate.subject)


def _wanted_subject(wanted: Certificate) -> list[tuple[str, str]]:
    subject = [(NameOID.COMMON_NAME.dotted_string, wanted.common_name)]
    if wanted.organization:
        subject.append((NameOID.ORGANIZATION_NAME.dotted_string, wanted.organization))
    return sorted(subject)


def _names(certificate: x509.Certificate) -> tuple[list[str], list[str]]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return [], []
    dns = names.get_values_for_type(x509.DNSName)
    addresses = names.get_values_for_type(x509.IPAddress)
    others = [str(name) for name in names if not isinstance(name, x509.DNSName | x509.IPAddress)]
    return sorted([*dns, *others]), sorted(map(str, addresses))


def _uses(certificate: x509.Certificate, brought: bool) -> list[str]:
    """A kubelet that asked for a certificate with an RSA key got one more use. So did those of kubeadm, for any key."""
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    uses = [name for name, flag in KEY_USES.items() if getattr(usage, flag)]
    more = {"key_encipherment"} if brought or isinstance(certificate.public_key(), RSAPublicKey) else set()
    uses += [name for name in OTHER_KEY_USES if getattr(usage, name) and name not in more]
    try:
        extended = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return sorted(uses)
    known = {oid: name for name, oid in EXTENDED_USES.items()}
    return sorted([*uses, *(known.get(oid, oid.dotted_string) for oid in extended)])


def _is_authority(certificate: x509.Certificate) -> bool:
    return bool(certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca)
