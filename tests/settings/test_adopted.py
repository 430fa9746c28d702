"""A stack that grows an existing cluster has all that the cluster was founded with, or is refused."""

from pathlib import Path

import pytest

import settings
from settings.secret_keys import AUTHORITY_KEYS
from tests.settings import adopted, pem, samples


def refusal(root: Path, changes: dict[str, object]) -> str:
    values = adopted.values()
    for path, value in changes.items():
        samples.put(values, path, value)
    (line,) = samples.refusals(root, values)
    return line


def test_authorities_and_service_account_pair_are_the_clusters(root: Path) -> None:
    found = settings.parse(adopted.values(), root).adopted
    assert found is not None
    assert found.masters == (adopted.FOUNDER,)
    assert found.authorities["ca"].key.get_secret_value() == adopted.values()["clusterCaKey"]
    assert found.service_account is not None
    assert found.service_account.public.startswith("-----BEGIN PUBLIC KEY-----")


@pytest.mark.parametrize("name", AUTHORITY_KEYS.values())
def test_a_key_that_is_missing_is_asked_for(root: Path, name: str) -> None:
    line = refusal(root, {name: None})
    assert line.startswith(f"evenkeel:{name}: (not set): is not set, and the adopted cluster lives by it; ")
    assert "python -m ops adopt" in line


def test_a_key_of_another_authority_is_refused(root: Path) -> None:
    line = refusal(root, {"etcdCaKey": pem.pem(pem.ec_key())})
    assert line.startswith("evenkeel:adopted.authorities.etcdCa: CN=etcd-ca: is not the certificate of etcdCaKey; ")


def test_an_authority_that_ended_is_refused(root: Path) -> None:
    ended = pem.issued("ca", days=(-3660, -1))
    line = refusal(root, {"clusterCaKey": pem.pem(ended.key), "adopted.authorities.ca": ended.text})
    assert "evenkeel:adopted.authorities.ca: CN=ca: ended on " in line


def test_the_section_cannot_get_lost_while_its_keys_are_there(root: Path) -> None:
    """The stack would make authorities of its own and give them to masters that serve another cluster."""
    assert "masters would get other authorities than their cluster has" in refusal(root, {"adopted": None})


def test_what_was_renewed_and_dropped_may_be_gone_or_have_ended(root: Path) -> None:
    """Kept, it would refuse every run from the day on which the old authority ends, for which it was renewed."""
    values, ended = adopted.values(), pem.issued("ca", days=(-3660, -1))
    samples.put(values, "adopted.authorities.ca", ended.text)
    samples.put(values, "clusterCaKey", None)
    samples.put(values, "serviceAccountKey", None)
    samples.put(values, "cluster.pki.generations", {"ca": [2], "serviceAccount": [2]})
    found = settings.parse(values, root).adopted
    assert found is not None
    assert set(found.authorities) == {"front-proxy-ca", "etcd-ca"}
    assert found.service_account is None


def test_what_is_still_trusted_while_it_is_renewed_is_asked_for(root: Path) -> None:
    line = refusal(root, {"clusterCaKey": None, "cluster.pki.generations": {"ca": [2, 1]}})
    assert line.startswith("evenkeel:clusterCaKey: (not set): is not set, and the adopted cluster lives by it; ")


@pytest.mark.parametrize("text", ["nonsense", "-----BEGIN PRIVATE KEY-----\nbm8=\n-----END PRIVATE KEY-----\n"])
def test_no_message_repeats_a_key(root: Path, text: str) -> None:
    assert text.splitlines()[0] not in refusal(root, {"clusterCaKey": text})
