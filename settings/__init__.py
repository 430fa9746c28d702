"""A stack's configuration, typed and checked: what the user wrote in, what the program reads out.

``parse`` returns the ``Stack`` of a configuration or raises ``SettingsError``, whose text holds one line a fault: key,
value, what is wrong, remedy. Where the running program's configuration comes from is ``components.configuration``'s.
"""

from settings.errors import NAMESPACE, Fault, SettingsError
from settings.harbor import S3, Database, Generations, PullSecret, Redis, Resources, Service, Storage
from settings.loader import parse
from settings.schema import Cluster, LoadBalancer, Role, Vip
from settings.stack import Adopted, Authority, Bastion, GivenSecrets, Harbor, Host, ServerCertificate, Ssh, Stack

__all__ = [
    "NAMESPACE",
    "S3",
    "Adopted",
    "Authority",
    "Bastion",
    "Cluster",
    "Database",
    "Fault",
    "Generations",
    "GivenSecrets",
    "Harbor",
    "Host",
    "LoadBalancer",
    "PullSecret",
    "Redis",
    "Resources",
    "Role",
    "ServerCertificate",
    "Service",
    "SettingsError",
    "Ssh",
    "Stack",
    "Storage",
    "Vip",
    "parse",
]
