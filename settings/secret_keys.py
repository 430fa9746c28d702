"""A stack's secrets, each under a key of its own: inside a section one would hide all of it from previews.

Owns: their names, and the command that sets one. Does not own: what one must look like (``settings.rules``).
"""

from settings.errors import NAMESPACE

SSH_KEY = "sshPrivateKey"
ADMIN_PASSWORD = "harborAdminPassword"
DATABASE_PASSWORD = "harborDatabasePassword"
REDIS_PASSWORD = "harborRedisPassword"
STORAGE_SECRET_KEY = "harborStorageSecretKey"
TOKEN_KEY = "harborTokenKey"
SECRET_KEY = "harborSecretKey"
CSRF_KEY = "harborCsrfKey"
CERTIFICATE_KEY = "harborCertificateKey"
# Of an adopted cluster, by what they are keys of.
AUTHORITY_KEYS = {
    "ca": "clusterCaKey",
    "front-proxy-ca": "frontProxyCaKey",
    "etcd-ca": "etcdCaKey",
    "service-account": "serviceAccountKey",
}

PASSWORDS = (ADMIN_PASSWORD, DATABASE_PASSWORD, REDIS_PASSWORD, STORAGE_SECRET_KEY)
FILES = (SSH_KEY, TOKEN_KEY, CERTIFICATE_KEY, *AUTHORITY_KEYS.values())  # of several lines
SECRETS = (*FILES, *PASSWORDS, SECRET_KEY, CSRF_KEY)


def setting(secret: str) -> str:
    """The command that sets a secret."""
    source = " < FILE" if secret in FILES else ""
    return f"`pulumi config set --secret {NAMESPACE}:{secret}{source}`"
