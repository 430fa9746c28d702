"""An adopted cluster's own settings, with authorities that are made once for a run."""

import functools
from typing import Any

from settings.secret_keys import AUTHORITY_KEYS
from tests.settings import pem, samples

FOUNDER = "shaolin"


@functools.cache
def _authorities() -> dict[str, pem.Issued]:
    return {name: pem.issued(name) for name in ("ca", "front-proxy-ca", "etcd-ca")}


def sections() -> dict[str, Any]:
    """What makes the sample a stack that grows an existing cluster, keys included."""
    made = _authorities()
    keys = {name: pem.pem(issued.key) for name, issued in made.items()} | {"service-account": pem.pem(pem.rsa_key())}
    certificates = {"ca": made["ca"], "frontProxyCa": made["front-proxy-ca"], "etcdCa": made["etcd-ca"]}
    return {
        "adopted": {
            "masters": [FOUNDER],
            "authorities": {name: issued.text for name, issued in certificates.items()},
        },
        **{AUTHORITY_KEYS[name]: text for name, text in keys.items()},
    }


def values() -> dict[str, Any]:
    """The sample's configuration with them."""
    return {**samples.values(), **sections()}
