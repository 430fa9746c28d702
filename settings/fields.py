"""The kinds of value that a stack's configuration is made of, each refused with a remedy where it is malformed.

Owns: what one value may look like by itself. Does not own: how values go together (``settings.rules``).
Only IPv4 is served: nothing that Evenkeel renders is dual-stack yet.
"""

import ipaddress
import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_SUBDOMAIN = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_DURATION = re.compile(r"(?P<number>[1-9]\d{0,5})(?P<unit>ms|s|m|h)")
_WHOLE_SECONDS = re.compile(r"[1-9][0-9]{0,5}[smh]")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_FLAG = re.compile(r"[a-z][a-z0-9-]*")
_NOT_FLAG = re.compile(r"[^a-z0-9]+")
_INTERFACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,14}")
_USER = re.compile(r"[a-z_][a-z0-9_.-]{0,31}")  # a dot as directories of companies have it
_HTTP_URL = re.compile(r"https?://[A-Za-z0-9.-]+(:\d{1,5})?(/[A-Za-z0-9._~/-]*)?")
_HARBOR_URL = re.compile(r"https://(?P<host>[^/:]+)(?::(?P<port>[^/:]*))?/?")
_STORE_URL = re.compile(r"https?://[A-Za-z0-9.-]+(:\d{1,5})?")
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@:/+=-]{0,127}")
_OBJECT_FOLDER = re.compile(r"/|(/[A-Za-z0-9._-]+)+")
_MARK = re.compile(r"[A-Za-z0-9._:+-]{0,64}")
_PROJECT = re.compile(r"[a-z0-9]+([._-][a-z0-9]+)*")
_HOST_PATH = re.compile(r"(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+")
_LONGEST_NAME = 253
_HIGHEST_PORT, _HTTPS_PORT = 65535, "443"
# What a system keeps for itself, or forgets when it starts anew. Folders below the first kind may hold data.
_SYSTEM_ROOTS = ("/home", "/media", "/mnt", "/opt", "/srv", "/var", "/var/lib", "/var/lib/docker")
_SYSTEM_TREES = (
    *("/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/root", "/run", "/sbin", "/sys", "/tmp", "/usr"),
    *("/var/lib/evenkeel", "/var/run", "/var/tmp"),
)

Reason = tuple[str, str]  # what is wrong, and the remedy


def refuse(what: str, remedy: str) -> PydanticCustomError:
    """What a field's validator raises."""
    return PydanticCustomError("evenkeel", "{what}; {remedy}", {"what": what, "remedy": remedy})


def seconds(duration: str) -> float:
    """A duration such as ``10m`` in seconds."""
    match = _DURATION.fullmatch(duration)
    if match is None:
        raise ValueError(f"{duration}: not a duration such as 10m")
    return int(match["number"]) * _SECONDS[match["unit"]]


def is_duration(text: str) -> bool:
    """Whether ``text`` is a duration that ``seconds`` understands."""
    return _DURATION.fullmatch(text) is not None


def _name(text: str) -> str:
    if len(text) > _LONGEST_NAME or not _SUBDOMAIN.fullmatch(text):
        raise refuse(
            "is not a DNS-1123 name",
            "use lower-case letters, digits and -, beginning and ending with a letter or digit",
        )
    return text


def _address(text: str) -> str:
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError as error:
        raise refuse("is not an IPv4 address", "write it like 192.0.2.11") from error
    if address.is_loopback or address.is_multicast or address.is_unspecified or address.is_link_local:
        raise refuse("is not an address that other hosts can reach", "give the host's address on its network")
    return str(address)


def _cidr(text: str) -> str:
    try:
        return str(ipaddress.IPv4Network(text))
    except ValueError as error:
        raise refuse("is not an IPv4 CIDR", f"write it like {_cidr_hint(text)}") from error


def is_ip(text: str) -> bool:
    """Whether it is an IPv4 or IPv6 address rather than a DNS name, or anything else."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _cidr_hint(text: str) -> str:
    try:
        return str(ipaddress.IPv4Network(text, strict=False))
    except ValueError:
        return "10.244.0.0/16"


def _san(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return _dns_name(text, text.removeprefix("*."))


def _endpoint(text: str) -> str:
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError:
        return _dns_name(text, text)


def _dns_name(text: str, name: str) -> str:
    if not _is_dns_name(name):
        raise refuse("is neither a DNS name nor an address", "write it like api.example.com or 192.0.2.30")
    return text


def _is_dns_name(text: str) -> bool:
    last_label = text.rpartition(".")[2]
    return len(text) <= _LONGEST_NAME and _SUBDOMAIN.fullmatch(text) is not None and not last_label.isdigit()


def _endpoint_port(text: str) -> str:
    host, _, port = text.rpartition(":")
    if not host or not _is_port(port):
        raise refuse("is not a host and port", "write it like redis.example.com:6379")
    return f"{_endpoint(host)}:{port}"


def _is_port(text: str) -> bool:
    return _PORT.fullmatch(text) is not None and int(text) <= _HIGHEST_PORT


def _harbor_url(text: str) -> str:
    """Without what says nothing: the usual port, and a slash at the end."""
    match = _HARBOR_URL.fullmatch(text.lower())
    port = (match and match["port"]) or _HTTPS_PORT
    if match is None or not _is_dns_name(match["host"]) or not _is_port(port):
        raise refuse(
            "is not an https URL of a DNS name", "write it like https://hub.example.com, without user, path or address"
        )
    if "." not in match["host"]:
        what = "has no dot in its name: clients would look for an account of that name on Docker Hub"
        raise refuse(what, "use a full name, like hub.example.com")
    return f"https://{match['host']}" if port == _HTTPS_PORT else f"https://{match['host']}:{port}"


def _host_path(text: str) -> str:
    if not _HOST_PATH.fullmatch(text):
        raise refuse("is not an absolute path", "write it like /srv/harbor, of letters, digits, ., _ and -")
    if text in _SYSTEM_ROOTS or any(f"{text}/".startswith(f"{tree}/") for tree in _SYSTEM_TREES):
        raise refuse("is the system's own folder", "give Harbor a folder of its own, like /srv/harbor")
    return text


def _matching(pattern: re.Pattern[str], what: str, remedy: str) -> AfterValidator:
    def check(text: str) -> str:
        if not pattern.fullmatch(text):
            raise refuse(what, remedy)
        return text

    return AfterValidator(check)


def _argument(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    if not isinstance(value, str):
        raise refuse("is not a flag's value", "write text, a number, true or false")
    if not value.isprintable():
        raise refuse("has a character that is not printable", "write the value on one line")
    return value


def _flag(text: str) -> str:
    if not _FLAG.fullmatch(text):
        raise refuse("is not a flag's name", f"write it like {_NOT_FLAG.sub('-', text.lower()).strip('-') or 'v'}")
    return text


Name = Annotated[str, AfterValidator(_name)]
Address = Annotated[str, AfterValidator(_address)]
Cidr = Annotated[str, AfterValidator(_cidr)]
SubjectAltName = Annotated[str, AfterValidator(_san)]
Endpoint = Annotated[str, AfterValidator(_endpoint)]
Port = Annotated[int, Field(ge=1, le=_HIGHEST_PORT)]
Duration = Annotated[
    str, _matching(_DURATION, "is not a duration", "write a whole number with its unit, like 500ms, 5s, 10m or 1h")
]
# What nginx takes where it counts in seconds.
WholeSeconds = Annotated[
    str,
    _matching(_WHOLE_SECONDS, "is not a duration of whole seconds", "write a number with its unit, like 5s, 10m or 1h"),
]
Interface = Annotated[str, _matching(_INTERFACE, "is not a network interface's name", "write it like eth0")]
User = Annotated[str, _matching(_USER, "is not a user's name", "write it like root or deploy")]
HttpUrl = Annotated[
    str, _matching(_HTTP_URL, "is not an address of a mirror", "write it like https://mirror.example.com/artifacts")
]
EndpointPort = Annotated[str, AfterValidator(_endpoint_port)]
HarborUrl = Annotated[str, AfterValidator(_harbor_url)]
HostPath = Annotated[str, AfterValidator(_host_path)]
Project = Annotated[str, _matching(_PROJECT, "is not a project's name", "write it like library, in lower case")]
StoreUrl = Annotated[
    str, _matching(_STORE_URL, "is not an object store's address", "write it like https://s3.example.com:9000")
]
ObjectFolder = Annotated[str, _matching(_OBJECT_FOLDER, "is not a folder of a bucket", "write it like /harbor")]
Word = Annotated[
    str, _matching(_WORD, "is not a plain word", "use at most 128 letters, digits, ., _, @, :, /, +, = and -")
]
Mark = Annotated[
    str, _matching(_MARK, "is not a short word", "use at most 64 letters, digits, ., _, :, + and -, like 2026-11-24")
]
ExtraArgs = dict[Annotated[str, AfterValidator(_flag)], Annotated[str, BeforeValidator(_argument)]]
Tree = dict[str, Any]
