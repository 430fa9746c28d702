"""Harbor's secrets are there and of the right form before any host is asked, and no message ever repeats one."""

import json
from collections.abc import Callable
from pathlib import Path

import pulumi
import pytest
from pulumi.runtime.config import set_all_config

import settings
from components import configuration
from settings.secret_keys import SECRETS
from tests.settings import pem, samples
from tests.settings.test_load import engine  # noqa: F401 - leaves the engine's configuration as it was

S3 = {"s3": {"region": "eu-west-1", "bucket": "harbor", "accessKey": "AKIA0"}}
EMPTY_PASSWORD = (
    "is empty: a new Harbor would let anyone in as admin, and setting it later would change nothing; set it"
)
MISSING: list[tuple[dict[str, object], str]] = [
    ({"harborAdminPassword": None}, f"evenkeel:harborAdminPassword: (not set): {EMPTY_PASSWORD}"),
    ({"harborAdminPassword": ""}, f"evenkeel:harborAdminPassword: (empty): {EMPTY_PASSWORD}"),
    ({"harborAdminPassword": " "}, f"evenkeel:harborAdminPassword: (not shown): {EMPTY_PASSWORD}"),
    (
        {"harborDatabasePassword": None},
        "evenkeel:harborDatabasePassword: (not set): is not set, and harbor.store is external; set it with "
        "`pulumi config set --secret evenkeel:harborDatabasePassword`",
    ),
    (
        {"harbor.storage": S3},
        "evenkeel:harborStorageSecretKey: (not set): is not set, and harbor.storage.s3.accessKey is; set it with",
    ),
    (
        {"harborStorageSecretKey": "hunter3"},
        "evenkeel:harborStorageSecretKey: (not shown): is set, and harbor.storage.s3.accessKey is not; set accessKey",
    ),
    (
        {"harbor.redis.username": "harbor"},
        "evenkeel:harborRedisPassword: (not set): is not set, and harbor.redis.username is; set it with "
        "`pulumi config set --secret evenkeel:harborRedisPassword`, or remove username",
    ),
    (
        {"harborCertificateKey": "hunter3"},
        "evenkeel:harborCertificateKey: (not shown): is set, and harbor.certificate is not; name the certificate's",
    ),
    (
        {"harbor.certificate": "chain.pem", "harbor.ca": "ca.pem"},
        "evenkeel:harborCertificateKey: (not set): is not set, and harbor.certificate is; set it with",
    ),
]


def refusal(root: Path, changes: dict[str, object]) -> str:
    """The one line that these changes of the sample with Harbor are refused with."""
    values = samples.with_harbor()
    for path, value in changes.items():
        samples.put(values, path, value)
    (line,) = samples.refusals(root, values)
    return line


@pytest.mark.parametrize(("changes", "start"), MISSING)
def test_a_secret_that_is_needed_is_asked_for_and_one_that_is_not_is_refused(
    root: Path, changes: dict[str, object], start: str
) -> None:
    line = refusal(root, changes)
    assert line.startswith(start)
    assert "hunter" not in line


NO_WORD = "holds a space, a quote or a backslash, which Harbor can't take; give that user of the database another one"
MALFORMED = [
    ("harborDatabasePassword", "two words", NO_WORD),
    ("harborDatabasePassword", "'quoted", NO_WORD),
    ("harborDatabasePassword", "it-ends-in-\\", NO_WORD),
    ("harborSecretKey", "fifteen-letters", "is of 15 characters, not of 16; set exactly 16 printable ASCII"),
    ("harborSecretKey", "sixteen-letters!!", "is of 17 characters, not of 16; set exactly 16 printable ASCII"),
    ("harborSecretKey", "fifteen-letters\n", "holds a line break, which counts as part of the key; set exactly 16"),
    ("harborSecretKey", "sixteen-letters!\n", "holds a line break, which counts as part of the key; set exactly 16"),
    ("harborSecretKey", "fünfzehn-letter", "holds a character that is not printable ASCII; set exactly 16"),
    ("harborSecretKey", "", "is of 0 characters, not of 16; set exactly 16"),
    ("harborCsrfKey", "thirty-one-characters-are-short", "is of 31 characters, not of 32; set exactly 32 printable"),
    ("harborCsrfKey", "thirty-two-characters-are-enough\n", "holds a line break"),
    ("harborAdminPassword", "open\nsesame", "holds a line break or another character that is not printable; set it"),
    ("harborDatabasePassword", "open\tsesame", "holds a line break or another character that is not printable"),
    ("harborRedisPassword", "", "is empty; set it with"),
    ("harborDatabasePassword", "", "is empty; set it with"),
    ("harborRedisPassword", "open\0sesame", "holds a line break or another character that is not printable"),
]


@pytest.mark.parametrize(("name", "text", "what"), MALFORMED)
def test_a_secret_of_the_wrong_form_is_refused_without_being_shown(root: Path, name: str, text: str, what: str) -> None:
    line = refusal(root, {name: text})
    assert line.startswith(f"evenkeel:{name}: {'(not shown)' if text else '(empty)'}: {what}")
    assert not text or text.strip() not in line


TOKEN_KEYS: list[tuple[Callable[[], str], str]] = [
    (
        lambda: pem.pem(pem.rsa_key(), pem.PKCS8),
        "is a PKCS#8 key, with which Harbor verifies tokens and cannot sign any",
    ),
    (lambda: pem.pem(pem.ec_key()), "is an EC key, and Harbor signs with RSA only; make one with `openssl genrsa"),
    (lambda: pem.pem(pem.ec_key(), pem.PKCS8), "is a PKCS#8 key"),
    (
        lambda: pem.pem(pem.rsa_key(), pem.OPENSSH),
        "is a key in OpenSSH's own form, which Harbor does not read; make one",
    ),
    (lambda: pem.pem(pem.rsa_key(), pem.PKCS1, pem.PASSPHRASE), "is protected by a passphrase, which Harbor cannot"),
    (lambda: pem.pem(pem.rsa_key(), pem.PKCS8, pem.PASSPHRASE), "is protected by a passphrase, which Harbor cannot"),
    (lambda: pem.pem(pem.rsa_key(1024)), "is of 1024 bits, and Harbor takes 2048 to 8192; make one with"),
    (lambda: pem.issued("hub").text, "is not an RSA key in PKCS#1's form; make one with `openssl genrsa -traditional"),
    (lambda: "", "holds no PEM block; make one with `openssl genrsa -traditional 4096`"),
    (lambda: "MIIEpAIBAAKCAQEA", "holds no PEM block; make one with"),
    (lambda: pem.pem(pem.rsa_key()).replace("M", "N"), "cannot be read as an RSA key; make one with"),
    (lambda: pem.pem(pem.ec_key()) + pem.pem(pem.rsa_key()), "is an EC key, and Harbor signs with RSA only"),
]


@pytest.mark.parametrize(("key", "what"), TOKEN_KEYS)
def test_a_token_key_that_harbor_would_not_sign_with_is_refused(root: Path, key: Callable[[], str], what: str) -> None:
    text = key()
    line = refusal(root, {"harborTokenKey": text})
    assert line.startswith(f"evenkeel:harborTokenKey: {'(not shown)' if text else '(empty)'}: {what}")
    assert "PRIVATE KEY" not in line
    assert not any(part in line for part in text.splitlines() if part)


def test_a_key_that_harbor_signs_with_is_taken_as_it_stands(root: Path) -> None:
    text = "made by hand\n" + pem.pem(pem.rsa_key())
    stack = settings.parse({**samples.with_harbor(), "harborTokenKey": text}, root)
    assert stack.harbor_secrets.token_key is not None
    assert stack.harbor_secrets.token_key.get_secret_value() == text
    assert stack.warnings == ()


def test_two_token_keys_in_one_are_warned_of_because_the_second_counts_for_nothing(root: Path) -> None:
    text = pem.pem(pem.rsa_key()) * 2
    (warning,) = samples.warnings(root, {**samples.with_harbor(), "harborTokenKey": text})
    assert warning.startswith(
        "evenkeel:harborTokenKey: (not shown): holds 2 PEM blocks, of which Harbor reads the first"
    )


def test_the_password_of_harbors_own_example_is_warned_of(root: Path) -> None:
    (warning,) = samples.warnings(root, {**samples.with_harbor(), "harborAdminPassword": "Harbor12345"})
    assert warning.startswith("evenkeel:harborAdminPassword: (not shown): is the password in Harbor's own example")


def test_a_generation_of_a_key_that_the_user_brings_is_warned_of(root: Path) -> None:
    values = samples.put(samples.with_harbor(), "harbor.generations", {"csrfKey": 2, "tokenKey": 2})
    (warning,) = samples.warnings(root, {**values, "harborCsrfKey": "c" * 32})
    assert warning.startswith(
        "evenkeel:harbor.generations.csrfKey: 2: renews nothing, as harborCsrfKey is set; renew it"
    )


WHOLE = {
    "harborSecretKey": "sixteen-letters!",
    "harborCsrfKey": "thirty-two-characters-are-enough",
    "harborRedisPassword": "12345678",
    "harborStorageSecretKey": "wJalr/+=",
}


def test_every_secret_reaches_the_program_and_stays_masked(root: Path) -> None:
    values = samples.put(samples.with_harbor() | WHOLE, "harbor.storage", S3)
    stack = settings.parse(values, root)
    given = stack.harbor_secrets
    found = [given.secret_key, given.csrf_key, given.redis_password, given.storage_secret_key]
    assert [secret.get_secret_value() for secret in found if secret] == list(WHOLE.values())
    assert given.admin_password is not None
    assert given.admin_password.get_secret_value() == samples.ADMIN_PASSWORD
    told = f"{stack!r} {stack!s}"
    assert not any(text in told for text in (*WHOLE.values(), samples.ADMIN_PASSWORD, samples.DATABASE_PASSWORD))


def test_a_secret_whose_key_is_misspelt_is_not_repeated(root: Path) -> None:
    for name in ("harborAdminPasword", "harborCsfrKey", "harbor_certificate_key"):
        (line,) = samples.refusals(root, {**samples.with_harbor(), name: "hunter3"})
        assert line.startswith(f"evenkeel:{name}: (not shown): is not a key that there is; did you mean "), line


@pytest.mark.parametrize(
    ("path", "secret"),
    [
        ("harbor.adminPassword", "harborAdminPassword"),
        ("harbor.tokenKey", "harborTokenKey"),
        ("harbor.csrfKey", "harborCsrfKey"),
        ("harbor.certificateKey", "harborCertificateKey"),
        ("harbor.database.password", "harborDatabasePassword"),
        ("harbor.redis.password", "harborRedisPassword"),
    ],
)
def test_a_secret_in_the_midst_of_harbors_section_is_sent_to_its_own_key(root: Path, path: str, secret: str) -> None:
    line = refusal(root, {path: "hunter3"})
    assert line.startswith(
        f"evenkeel:{path}: (not shown): would hide all of harbor from previews, or be in plain text;"
    )
    assert f"set it with `pulumi config set --secret evenkeel:{secret}" in line


def handed(root: Path, secrets: tuple[str, ...]) -> settings.Stack:
    """The sample as the engine hands it over, with these keys marked as secrets."""
    values = samples.with_harbor() | {"harborRedisPassword": "12345678", "repair": "7"}
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}
    set_all_config({f"evenkeel:{name}": text for name, text in texts.items()}, [f"evenkeel:{name}" for name in secrets])
    return configuration.stack(pulumi.Config("evenkeel"), root)


GIVEN = ("harborAdminPassword", "harborDatabasePassword", "harborRedisPassword")


@pytest.mark.usefixtures("engine")
def test_a_password_of_digits_is_text_all_the_same(root: Path) -> None:
    stack = handed(root, GIVEN)
    assert stack.harbor_secrets.redis_password is not None
    assert stack.harbor_secrets.redis_password.get_secret_value() == "12345678"
    assert stack.repair == "7"


@pytest.mark.usefixtures("engine")
def test_a_secret_in_plain_text_is_refused_without_being_shown(root: Path) -> None:
    with pytest.raises(settings.SettingsError) as caught:
        handed(root, GIVEN[1:])
    line = str(caught.value)
    assert line.startswith(
        "evenkeel:harborAdminPassword: (not shown): is stored in plain text; make a new one and set it"
    )
    assert samples.ADMIN_PASSWORD not in line


@pytest.mark.usefixtures("engine")
def test_a_section_that_holds_a_secret_is_refused_because_previews_would_hide_it(root: Path) -> None:
    with pytest.raises(settings.SettingsError) as caught:
        handed(root, (*GIVEN, "harbor"))
    assert str(caught.value).startswith("evenkeel:harbor: (not shown): holds a secret, which hides all of it")


def test_a_secret_that_is_no_text_is_refused_with_the_command_that_sets_it(root: Path) -> None:
    for name in SECRETS:
        lines = samples.refusals(root, {**samples.with_harbor(), name: {"hunter3": 1}})
        command = f"set it with `pulumi config set --secret evenkeel:{name}"
        assert any(line.startswith(f"evenkeel:{name}: (not shown): is not text; {command}") for line in lines), lines
