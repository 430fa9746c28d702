"""What somebody changes by hand on one hub, so that it no longer runs with what all hubs must share.

Owns how such a change comes about: files under the hands of a running Harbor, and a mount. Does not own who notices.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import bcrypt
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from lab import hosts
from render.scripts import assignments

FOLDER = "/etc/evenkeel/harbor"
TOKEN_KEY, SECRET_KEY = f"{FOLDER}/core/private_key.pem", f"{FOLDER}/core/key"
PASSWD, REGISTRY = f"{FOLDER}/registry/passwd", f"{FOLDER}/registry/config.yml"
BLOBS = f"{hosts.STORAGE}/registry"
SERVICE_SECRETS = {"CORE_SECRET": "of-this-hub-only", "JOBSERVICE_SECRET": "of-this-hub-only"}
ENVIRONMENT = {
    "core": {
        **SERVICE_SECRETS,
        "CSRF_KEY": "d" * 32,
        "EXT_ENDPOINT": "https://elsewhere.example.com",
        "HARBOR_ADMIN_PASSWORD": "Of-This-Hub-1",
        "REGISTRY_CREDENTIAL_PASSWORD": "of-this-hub-only",
    },
    "jobservice": SERVICE_SECRETS,  # it would not even start with another one than its core's
    "registryctl": SERVICE_SECRETS,
}
# In the words of the probe.
EVERYTHING = (
    *(f"env {name}" for name in ENVIRONMENT["core"]),
    "env _REDIS_URL_CORE",
    "file /etc/core/private_key.pem",
    "file /etc/core/key",
    "file /etc/core/environment",
    "file /etc/registry/passwd",
    "file /etc/registry/config.yml",
)


def token_key() -> str:
    """Another key, of the form that Harbor takes."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=4096)
    form = serialization.PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


def put(hub: str, path: str, content: str) -> None:
    """Another file in the place of one of Harbor's."""
    swap = f"umask 077; cat >{path}.new; chown 10000:10000 {path}.new; mv {path}.new {path}"
    hosts.run(hub, swap, stdin=content, check=True)


@contextmanager
def storage_of_its_own(hub: str) -> Iterator[None]:
    """Another folder lies over the shared one."""
    hosts.run(hub, "install -d -o 10000 -g 10000 /var/tmp/blobs", check=True)
    try:
        hosts.run(hub, f"mount --bind /var/tmp/blobs {BLOBS} && docker restart harbor-registry", check=True)
        yield
    finally:
        hosts.run(hub, f"umount {BLOBS}; docker restart harbor-registry", check=True)


def change_everything(hub: str) -> None:
    """All that ``EVERYTHING`` lists but the token key, and Harbor runs again."""
    put(hub, SECRET_KEY, "fedcba9876543210")
    put(hub, PASSWD, f"harbor_registry_user:{bcrypt.hashpw(b'of-this-hub-only', bcrypt.gensalt(4)).decode()}\n")
    registry = yaml.safe_load(hosts.run(hub, ["cat", REGISTRY], check=True).stdout)
    registry["http"]["secret"] = "of-this-hub-only"
    put(hub, REGISTRY, yaml.safe_dump(registry))
    for service, values in ENVIRONMENT.items():
        _change_environment(hub, service, values)
    hosts.run(hub, "docker restart harbor-registry " + " ".join(f"harbor-{one}" for one in ENVIRONMENT), check=True)


def _change_environment(hub: str, service: str, values: Mapping[str, str]) -> None:
    """Of two lines for a variable the later one holds; and what the file sets, whatever Docker was told."""
    path = f"{FOLDER}/{service}/environment"
    lines = hosts.run(hub, ["cat", path], check=True).stdout.splitlines()
    lines = [line.replace("?", "/9?") if line.startswith("_REDIS_URL_CORE=") else line for line in lines]
    put(hub, path, "\n".join([*lines, assignments(values)]))
