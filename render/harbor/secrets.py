"""Harbor's secrets, all of them, as plain text.

Owns their names. Does not own how they come to be or when they change (``components.harbor_secrets``).
"""

from dataclasses import dataclass

REGISTRY_USER = "harbor_registry_user"


@dataclass(frozen=True, repr=False)
class HarborSecrets:
    """What all hubs of a stack share; it has no printable form. Empty is what the stack has no need of.

    ``token_key`` is PKCS#1 and ``token_certificate`` its certificate, ``server_certificate`` a whole chain, all PEM.
    """

    token_key: str
    token_certificate: str
    secret_key: str
    core_secret: str
    jobservice_secret: str
    registry_http_secret: str
    csrf_key: str
    registry_password: str
    admin_password: str
    database_password: str
    redis_password: str
    storage_secret_key: str
    server_certificate: str
    server_key: str
    ca: str
