"""The user's own certificate is taken only where clients of Harbor would trust it; an authority, where it can vouch."""

import datetime
from pathlib import Path

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

import settings
from tests.settings import pem, samples

HOST = "hub.example.com"


@pytest.fixture(scope="module")
def ca() -> pem.Issued:
    return pem.issued("root")


@pytest.fixture(scope="module")
def between(ca: pem.Issued) -> pem.Issued:
    return pem.issued("between", ca)


@pytest.fixture(scope="module")
def leaf(between: pem.Issued) -> pem.Issued:
    return pem.issued("hub", between, [HOST])


def brought(root: Path, chain: str, ca: str, key: str) -> dict[str, object]:
    """The sample with Harbor and these files."""
    (root / "chain.pem").write_text(chain)
    (root / "ca.pem").write_text(ca)
    values = samples.with_harbor()
    values["harbor"] |= {"certificate": "chain.pem", "ca": "ca.pem"}
    return {**values, "harborCertificateKey": key}


def refusal(root: Path, chain: str, ca: str, key: str) -> str:
    (line,) = samples.refusals(root, brought(root, chain, ca, key))
    assert "PRIVATE KEY" not in line
    return line


def test_a_chain_with_its_key_and_authority_is_taken(
    root: Path, ca: pem.Issued, between: pem.Issued, leaf: pem.Issued
) -> None:
    chain = leaf.text + between.text
    stack = settings.parse(brought(root, chain, ca.text, pem.pem(leaf.key, pem.PKCS8)), root)
    assert stack.harbor is not None
    assert stack.harbor.server_certificate == settings.ServerCertificate(
        chain, ca.text, leaf.certificate.not_valid_after_utc, ca.certificate.not_valid_after_utc
    )
    assert stack.harbor_secrets.certificate_key is not None
    assert stack.warnings == ()


def test_the_authority_may_stand_at_the_end_of_the_chain_and_a_text_before_it(
    root: Path, ca: pem.Issued, between: pem.Issued, leaf: pem.Issued
) -> None:
    chain = f"subject=CN = hub\n{leaf.text}{between.text}{ca.text}"
    stack = settings.parse(brought(root, chain, ca.text, pem.pem(leaf.key)), root)
    assert stack.harbor is not None
    assert stack.harbor.server_certificate is not None
    assert stack.harbor.server_certificate.chain == leaf.text + between.text + ca.text


def test_a_certificate_that_vouches_for_itself_is_its_own_authority(root: Path) -> None:
    own = pem.issued("hub", names=[HOST])
    assert samples.refusals(root, brought(root, own.text, own.text, pem.pem(own.key))) == []


@pytest.mark.parametrize(
    ("names", "covered"), [(["*.example.com"], True), (["*.com"], False), (["HUB.example.com"], True)]
)
def test_a_certificate_covers_what_its_names_match(root: Path, ca: pem.Issued, names: list[str], covered: bool) -> None:
    leaf = pem.issued("hub", ca, names)
    lines = samples.refusals(root, brought(root, leaf.text, ca.text, pem.pem(leaf.key)))
    assert (lines == []) is covered, lines


def test_a_certificate_of_another_name_is_refused(root: Path, ca: pem.Issued) -> None:
    leaf = pem.issued(HOST, ca, ["harbor.example.com", "other.example.com"])
    line = refusal(root, leaf.text, ca.text, pem.pem(leaf.key))
    assert line == (
        "evenkeel:harbor.certificate: chain.pem: does not cover hub.example.com, but harbor.example.com, "
        "other.example.com; have one issued with hub.example.com among its subject alternative names"
    )


def test_further_names_must_be_covered_too(root: Path, ca: pem.Issued, leaf: pem.Issued, between: pem.Issued) -> None:
    values = brought(root, leaf.text + between.text, ca.text, pem.pem(leaf.key))
    (line,) = samples.refusals(root, samples.put(values, "harbor.extraSans", ["registry.example.com"]))
    assert "chain.pem: does not cover registry.example.com, but hub.example.com; have one issued" in line


def test_a_key_of_another_certificate_is_refused(
    root: Path, ca: pem.Issued, between: pem.Issued, leaf: pem.Issued
) -> None:
    line = refusal(root, leaf.text + between.text, ca.text, pem.pem(between.key))
    assert line.startswith(
        "evenkeel:harborCertificateKey: (not shown): is not the key of the first certificate in chain.pem; put the"
    )


def test_a_key_that_cannot_be_used_is_refused(
    root: Path, ca: pem.Issued, between: pem.Issued, leaf: pem.Issued
) -> None:
    chain = leaf.text + between.text
    locked = pem.pem(leaf.key, pem.PKCS8, pem.PASSPHRASE)
    assert "(not shown): is protected by a passphrase; take the passphrase away" in refusal(
        root, chain, ca.text, locked
    )
    for text in (leaf.text, "hunter3", ""):
        assert ": is not a private key in PEM; set the certificate's key with" in refusal(root, chain, ca.text, text)


def test_a_certificate_whose_time_is_over_or_has_not_come_is_refused(root: Path, ca: pem.Issued) -> None:
    for days, what in (((-9, -2), "ended on "), ((2, 9), "begins on ")):
        leaf = pem.issued("hub", ca, [HOST], days)
        line = refusal(root, leaf.text, ca.text, pem.pem(leaf.key))
        assert line.startswith(f"evenkeel:harbor.certificate: chain.pem: {what}")
        assert "(CN=hub); " in line


def test_an_authority_whose_time_is_over_is_refused(root: Path) -> None:
    old = pem.issued("old", days=(-9, -2))
    leaf = pem.issued("hub", old, [HOST])
    line = refusal(root, leaf.text, old.text, pem.pem(leaf.key))
    assert line.startswith("evenkeel:harbor.ca: ca.pem: ended on ")


def test_a_certificate_that_ends_within_a_month_is_warned_of(root: Path, ca: pem.Issued) -> None:
    leaf = pem.issued("hub", ca, [HOST], (-300, 20))
    day = datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(days=20)
    (warning,) = samples.warnings(root, brought(root, leaf.text, ca.text, pem.pem(leaf.key)))
    assert warning.startswith(f"evenkeel:harbor.certificate: chain.pem: ends on {day}; have it renewed")


def test_an_authority_that_ends_within_a_month_is_warned_of(root: Path) -> None:
    old = pem.issued("old", days=(-300, 20))
    leaf = pem.issued("hub", old, [HOST])
    (warning,) = samples.warnings(root, brought(root, leaf.text, old.text, pem.pem(leaf.key)))
    assert warning.startswith("evenkeel:harbor.ca: ca.pem: ends on ")


def test_a_chain_in_the_wrong_order_or_with_a_gap_is_refused(
    root: Path, ca: pem.Issued, between: pem.Issued, leaf: pem.Issued
) -> None:
    lines = samples.refusals(root, brought(root, between.text + leaf.text, ca.text, pem.pem(leaf.key)))
    assert any(
        "is not a chain: CN=hub did not issue CN=between; put the server's certificate first" in line for line in lines
    )
    line = refusal(root, leaf.text, ca.text, pem.pem(leaf.key))
    assert line.startswith(
        "evenkeel:harbor.ca: ca.pem: does not vouch for chain.pem: it did not issue CN=hub; name the"
    )


def test_a_stranger_of_the_same_name_as_the_authority_vouches_for_nothing(root: Path, ca: pem.Issued) -> None:
    leaf = pem.issued("hub", ca, [HOST])
    assert "does not vouch for chain.pem" in refusal(root, leaf.text, pem.issued("root").text, pem.pem(leaf.key))


def test_a_certificate_for_clients_only_is_refused(root: Path, ca: pem.Issued) -> None:
    leaf = pem.issued("hub", ca, [HOST], usage=ExtendedKeyUsageOID.CLIENT_AUTH)
    assert "chain.pem: is not for servers; have one issued with the usage serverAuth" in refusal(
        root, leaf.text, ca.text, pem.pem(leaf.key)
    )


def test_a_file_that_is_no_certificate_is_refused_by_its_name(root: Path, ca: pem.Issued, leaf: pem.Issued) -> None:
    key = pem.pem(leaf.key)
    assert "harbor.certificate: chain.pem: holds no certificate in PEM; give" in refusal(root, "x", ca.text, key)
    assert "harbor.ca: ca.pem: holds no certificate in PEM; give" in refusal(root, leaf.text, "", key)
    values = brought(root, leaf.text, ca.text, key)
    (line,) = samples.refusals(root, samples.put(values, "harbor.certificate", "nowhere.pem"))
    assert line.startswith(
        "evenkeel:harbor.certificate: nowhere.pem: cannot be read (No such file or directory); name a"
    )


def test_a_key_beside_the_certificate_is_refused_because_it_would_travel_as_a_plain_file(
    root: Path, ca: pem.Issued, leaf: pem.Issued
) -> None:
    key = pem.pem(leaf.key)
    line = refusal(root, leaf.text + key, ca.text, key)
    assert line.startswith("evenkeel:harbor.certificate: chain.pem: holds a private key, which would reach hosts as a")


def test_certificate_and_authority_come_together(root: Path, ca: pem.Issued, leaf: pem.Issued) -> None:
    values = brought(root, leaf.text, ca.text, pem.pem(leaf.key))
    (line,) = samples.refusals(root, samples.put(values, "harbor.ca", None))
    assert line.startswith("evenkeel:harbor.ca: (not set): is not set, and harbor.certificate is; name the file of the")
    values = samples.with_harbor()
    (line,) = samples.refusals(root, samples.put(values, "harbor.ca", "ca.pem"))
    assert line.startswith("evenkeel:harbor.ca: ca.pem: is set, and harbor.certificate is not; name the certificate's")


def trusting(root: Path, **files: str) -> dict[str, object]:
    """The sample with Harbor, which trusts the authorities in these files."""
    for name, text in files.items():
        (root / f"{name}.pem").write_text(text)
    return samples.put(samples.with_harbor(), "harbor.trustedAuthorities", [f"{name}.pem" for name in files])


def test_authorities_that_harbor_is_to_trust_are_read_from_their_files(
    root: Path, ca: pem.Issued, between: pem.Issued
) -> None:
    other = pem.issued("other")
    stack = settings.parse(trusting(root, company=f"the company's\n{ca.text}{between.text}", other=other.text), root)
    assert stack.harbor is not None
    assert stack.harbor.authorities == ca.text + between.text + other.text
    stack = settings.parse(samples.with_harbor(), root)
    assert stack.harbor is not None
    assert stack.harbor.authorities == ""


def test_a_file_that_holds_no_authority_to_trust_is_refused_by_its_place(root: Path, ca: pem.Issued) -> None:
    place, old, early = "evenkeel:harbor.trustedAuthorities", pem.issued("old", days=(-9, -2)), (2, 9)
    for text, said in (
        ("x", "holds no certificate in PEM; give the authority's certificate as PEM"),
        (ca.text + pem.pem(ca.key), "holds a private key, which would reach hosts as a plain file; keep certificates"),
        (ca.text + old.text, "ended on "),
        (pem.issued("early", days=early).text, "begins on "),
    ):
        (line,) = samples.refusals(root, trusting(root, good=ca.text, bad=text))
        assert line.startswith(f"{place}.1: bad.pem: {said}")
        assert "PRIVATE KEY" not in line
    (line,) = samples.refusals(root, samples.put(trusting(root), "harbor.trustedAuthorities", ["nowhere.pem"]))
    assert line.startswith(f"{place}.0: nowhere.pem: cannot be read (No such file or directory); name a file of")


def test_generations_of_an_authority_that_the_user_brings_are_warned_of(
    root: Path, ca: pem.Issued, between: pem.Issued, leaf: pem.Issued
) -> None:
    values = brought(root, leaf.text + between.text, ca.text, pem.pem(leaf.key))
    (warning,) = samples.warnings(root, samples.put(values, "harbor.generations", {"ca": [1, 2]}))
    assert warning.startswith("evenkeel:harbor.generations.ca: ")
    assert warning.endswith(
        "renews nothing, as harborCertificateKey is set; "
        "renew it by setting a new harborCertificateKey, and leave this [1]"
    )
