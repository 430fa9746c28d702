"""Rules about Harbor's secrets: which there must be, and the form of keys that a user brings.

Owns: everything that a secret's own text tells. No fault ever shows a secret's value.
Does not own: whether a password is the right one (the hubs' preflight).
"""

import re
from collections.abc import Iterator, Mapping

from settings.draft import HARBOR, Draft
from settings.errors import HIDDEN, Fault, fault
from settings.fields import Reason
from settings.secret_keys import (
    ADMIN_PASSWORD,
    CERTIFICATE_KEY,
    CSRF_KEY,
    DATABASE_PASSWORD,
    PASSWORDS,
    REDIS_PASSWORD,
    SECRET_KEY,
    STORAGE_SECRET_KEY,
    TOKEN_KEY,
    setting,
)

DEFAULT_PASSWORD = "Harbor12345"  # stands in Harbor's own example
SMALLEST_TOKEN_KEY, LARGEST_TOKEN_KEY = 2048, 8192  # bits
LENGTHS = {SECRET_KEY: 16, CSRF_KEY: 32}  # bytes
# What the generations of renew nothing where the secret is given, with what they are at rest.
RENEWABLE = (
    (TOKEN_KEY, "tokenKey", 1),
    (CSRF_KEY, "csrfKey", 1),
    (CERTIFICATE_KEY, "certificate", 1),
    (CERTIFICATE_KEY, "ca", [1]),
)

_CA = HARBOR, "ca"
_PEM = re.compile(r"-----BEGIN (?P<label>[A-Z0-9 ]+)-----.*?-----END (?P=label)-----", re.DOTALL)
_PKCS1 = "RSA PRIVATE KEY"
_PASSPHRASE = "is protected by a passphrase, which Harbor cannot enter"
_MAKE_TOKEN_KEY = f"make one with `openssl genrsa -traditional 4096` and set it with {setting(TOKEN_KEY)}"
_CONVERT_TOKEN_KEY = f"convert it with `openssl rsa -traditional -in FILE` and set it with {setting(TOKEN_KEY)}"
# What the label of a PEM block that is not PKCS#1 says of the key.
_KINDS: Mapping[str, Reason] = {
    "PRIVATE KEY": ("is a PKCS#8 key, with which Harbor verifies tokens and cannot sign any", _CONVERT_TOKEN_KEY),
    "ENCRYPTED PRIVATE KEY": (_PASSPHRASE, _CONVERT_TOKEN_KEY),
    "EC PRIVATE KEY": ("is an EC key, and Harbor signs with RSA only", _MAKE_TOKEN_KEY),
    "OPENSSH PRIVATE KEY": ("is a key in OpenSSH's own form, which Harbor does not read", _MAKE_TOKEN_KEY),
}
_NO_KEY: Reason = ("is not an RSA key in PKCS#1's form", _MAKE_TOKEN_KEY)


def passwords_are_there(draft: Draft) -> Iterator[Fault]:
    """Where one is missing, Harbor starts all the same: with an empty password for admin, for instance."""
    harbor = draft.harbor
    if harbor is None:
        return
    password = draft.secrets.get(ADMIN_PASSWORD)
    if not (password and password.strip()):
        what = "is empty: a new Harbor would let anyone in as admin, and setting it later would change nothing"
        yield fault([ADMIN_PASSWORD], password and HIDDEN, what, f"set it with {setting(ADMIN_PASSWORD)}")
    if harbor.store == "external" and DATABASE_PASSWORD not in draft.secrets:
        remedy = f"set it with {setting(DATABASE_PASSWORD)}"
        yield fault([DATABASE_PASSWORD], None, "is not set, and harbor.store is external", remedy)


def access_key_has_its_secret_key(draft: Draft) -> Iterator[Fault]:
    """The two halves of what an object store knows the registry by."""
    s3 = draft.harbor.storage.s3 if draft.harbor else None
    if s3 and s3.access_key and STORAGE_SECRET_KEY not in draft.secrets:
        remedy = f"set it with {setting(STORAGE_SECRET_KEY)}, or remove accessKey to use the hubs' own role"
        yield fault([STORAGE_SECRET_KEY], None, "is not set, and harbor.storage.s3.accessKey is", remedy)
    if draft.harbor and STORAGE_SECRET_KEY in draft.secrets and not (s3 and s3.access_key):
        remedy = "set accessKey, or remove the secret"
        yield fault([STORAGE_SECRET_KEY], HIDDEN, "is set, and harbor.storage.s3.accessKey is not", remedy)


def user_has_its_password(draft: Draft) -> Iterator[Fault]:
    """Without a password Redis is asked for none, and the user's name goes nowhere."""
    redis = draft.harbor.redis if draft.harbor else None
    if redis and redis.username and REDIS_PASSWORD not in draft.secrets:
        remedy = f"set it with {setting(REDIS_PASSWORD)}, or remove username"
        yield fault([REDIS_PASSWORD], None, "is not set, and harbor.redis.username is", remedy)


def certificate_is_complete(draft: Draft) -> Iterator[Fault]:
    """Certificate, authority and key come together or not at all."""
    harbor, key = draft.harbor, draft.secrets.get(CERTIFICATE_KEY)
    if harbor is None:
        return
    if harbor.certificate is None:
        what, remedy = "is set, and harbor.certificate is not", "name the certificate's file there, or leave this out"
        if harbor.ca is not None:
            yield fault(_CA, harbor.ca, what, remedy)
        if key is not None:
            yield fault([CERTIFICATE_KEY], HIDDEN, what, remedy)
        return
    if harbor.ca is None:
        remedy = "name the file of the authority that vouches for it: nodes and hubs are to trust it"
        yield fault(_CA, None, "is not set, and harbor.certificate is", remedy)
    if key is None:
        yield fault(
            [CERTIFICATE_KEY], None, "is not set, and harbor.certificate is", f"set it with {setting(CERTIFICATE_KEY)}"
        )


def passwords_are_one_line(draft: Draft) -> Iterator[Fault]:
    """They end up in lines of configuration files and in the environment, where a line break would end them."""
    given = {name: draft.secrets[name] for name in PASSWORDS if name in draft.secrets} if draft.harbor else {}
    for name, text in given.items():
        if not text and name != ADMIN_PASSWORD:
            yield fault([name], text, "is empty", f"set it with {setting(name)}, or remove it where none is needed")
        if not text.isprintable():
            what = "holds a line break or another character that is not printable"
            yield fault([name], HIDDEN, what, f"set it without one, with {setting(name)}")


def database_password_needs_no_quotes(draft: Draft) -> Iterator[Fault]:
    """Core puts it into a line of words as it is (src/common/dao/pgsql.go), where a space, a quote or a backslash ends
    it, while its migrations, the preflight and everybody else take it whole."""
    text = draft.secrets.get(DATABASE_PASSWORD, "") if draft.harbor else ""
    if any(letter in " '\\" for letter in text):
        remedy = f"give that user of the database another one, and set it with {setting(DATABASE_PASSWORD)}"
        yield fault(
            [DATABASE_PASSWORD], HIDDEN, "holds a space, a quote or a backslash, which Harbor can't take", remedy
        )


def keys_have_their_length(draft: Draft) -> Iterator[Fault]:
    """Harbor starts with a key of another length too, and fails when the key is used."""
    if draft.harbor is None:
        return
    for name, length in LENGTHS.items():
        text = draft.secrets.get(name)
        if text is None:
            continue
        remedy = f"set exactly {length} printable ASCII characters with {setting(name)}"
        if "\n" in text or "\r" in text:
            yield fault([name], HIDDEN, "holds a line break, which counts as part of the key", remedy)
        elif not (text.isascii() and text.isprintable()):
            yield fault([name], HIDDEN, "holds a character that is not printable ASCII", remedy)
        elif len(text) != length:
            yield fault([name], text and HIDDEN, f"is of {len(text)} characters, not of {length}", remedy)


def token_key_signs_tokens(draft: Draft) -> Iterator[Fault]:
    """Core reads the first PEM block alone, as PKCS#1: with any other key it verifies and does not sign."""
    text = draft.secrets.get(TOKEN_KEY)
    if draft.harbor is None or text is None:
        return
    block = _PEM.search(text)
    if block is None:
        yield fault([TOKEN_KEY], text and HIDDEN, "holds no PEM block", _MAKE_TOKEN_KEY)
    elif block["label"] != _PKCS1:
        yield fault([TOKEN_KEY], HIDDEN, *_KINDS.get(block["label"], _NO_KEY))
    elif "4,ENCRYPTED" in block[0]:
        yield fault([TOKEN_KEY], HIDDEN, _PASSPHRASE, _CONVERT_TOKEN_KEY)
    else:
        yield from _wrong_size(block[0])


def default_password_is_known(draft: Draft) -> Iterator[Fault]:
    """Warns of the password that stands in Harbor's own example."""
    if draft.harbor and draft.secrets.get(ADMIN_PASSWORD) == DEFAULT_PASSWORD:
        what = "is the password in Harbor's own example: whoever reaches the URL knows it"
        yield fault([ADMIN_PASSWORD], HIDDEN, what, "choose another before the first `up`; later, change it in Harbor")


def first_block_counts(draft: Draft) -> Iterator[Fault]:
    """Warns where a user hopes that two keys overlap."""
    blocks = _PEM.findall(draft.secrets.get(TOKEN_KEY, ""))
    if draft.harbor and len(blocks) > 1:
        what = f"holds {len(blocks)} PEM blocks, of which Harbor reads the first"
        yield fault([TOKEN_KEY], HIDDEN, what, "keep that one: there is no overlap of an old and a new key")


def generations_renew_what_the_stack_makes(draft: Draft) -> Iterator[Fault]:
    """Warns where a generation of a key that the user brings renews nothing."""
    harbor = draft.harbor
    if harbor is None:
        return
    generations = harbor.generations.model_dump(by_alias=True)
    for secret, name, at_rest in RENEWABLE:
        if secret in draft.secrets and generations[name] != at_rest:
            what = f"renews nothing, as {secret} is set"
            remedy = f"renew it by setting a new {secret}, and leave this {at_rest}"
            yield fault([HARBOR, "generations", name], generations[name], what, remedy)


def _wrong_size(block: str) -> Iterator[Fault]:
    # Not above: it takes a tenth of a second to import, and most stacks leave this key to be made.
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(block.encode(), password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, RSAPrivateKey):
        yield fault([TOKEN_KEY], HIDDEN, "cannot be read as an RSA key", _MAKE_TOKEN_KEY)
    elif not SMALLEST_TOKEN_KEY <= key.key_size <= LARGEST_TOKEN_KEY:
        what = f"is of {key.key_size} bits, and Harbor takes {SMALLEST_TOKEN_KEY} to {LARGEST_TOKEN_KEY}"
        yield fault([TOKEN_KEY], HIDDEN, what, _MAKE_TOKEN_KEY)
