"""A stack half read: the sections that are well formed by themselves, for rules to look at together.

Owns: reading each section and each host apart from the others, so that one fault does not hide the rest.
Does not own: the rules (``settings.rules``) and what else must be read from disk (``settings.loader``).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import ValidationError

from settings.errors import EXAMPLE, HIDDEN, UNKNOWN, Fault, fault, from_pydantic, nearest
from settings.fields import Mark, Name, Tree
from settings.harbor import HarborSettings
from settings.schema import (
    AdoptedSettings,
    Cluster,
    HostSettings,
    LoadBalancer,
    PkiGenerations,
    ReleaseSettings,
    Section,
    SshSettings,
)
from settings.secret_keys import AUTHORITY_KEYS, SECRETS, setting

HOSTS, HARBOR, ADOPTED, REPAIR = "hosts", "harbor", "adopted", "repair"
TEXTS = (*SECRETS, REPAIR)  # what is text even where it looks like a number
KEYS = ("cluster", HOSTS, "ssh", "loadBalancer", HARBOR, ADOPTED, "release", *TEXTS)
SectionModel = TypeVar("SectionModel", bound=Section)


class _NamedHost(Section):
    name: Name


class _Marked(Section):
    repair: Mark = ""


@dataclass
class Draft:
    """What could be read. A section that is None is at fault and has been reported."""

    cluster: Cluster | None = None
    ssh: SshSettings | None = None
    load_balancer: LoadBalancer | None = None
    harbor: HarborSettings | None = None
    harbor_wanted: bool = False
    adopted: AdoptedSettings | None = None
    release: ReleaseSettings | None = None
    repair: str = ""
    secrets: dict[str, str] = field(default_factory=dict)
    hosts: dict[str, HostSettings] = field(default_factory=dict)
    hosts_complete: bool = False
    faults: list[Fault] = field(default_factory=list)

    def with_role(self, role: str) -> dict[str, HostSettings]:
        """The readable hosts of a role."""
        return {name: host for name, host in self.hosts.items() if role in host.roles}

    def trees(self) -> Iterator[tuple[tuple[str, ...], str, Tree]]:
        """The trees that users fill freely by the fields of a program's own file: key, program, tree."""
        for name, host in self.hosts.items():
            yield (HOSTS, name, "kubelet", "config"), "kubelet", host.kubelet.config
        if self.cluster:
            yield ("cluster", "kubelet", "config"), "kubelet", self.cluster.kubelet.config
            yield ("cluster", "kubeProxy", "config"), "kubeProxy", self.cluster.kube_proxy.config
            yield ("cluster", "containerd", "config"), "containerd", self.cluster.containerd.config

    def brought(self) -> dict[str, str]:
        """What an adopted cluster has brought and still trusts, of ``AUTHORITY_KEYS``."""
        trusted = self.cluster.pki.generations if self.cluster else PkiGenerations()
        return {what: name for what, name in AUTHORITY_KEYS.items() if 1 in trusted.of(what)}


def read(values: Mapping[str, object]) -> Draft:
    """Reads every section of a stack's configuration, keeping all faults."""
    draft = Draft()
    draft.faults += [_unknown(name, value) for name, value in values.items() if name not in KEYS]
    draft.cluster = _section(draft, values, "cluster", Cluster)
    draft.ssh = _section(draft, values, "ssh", SshSettings)
    draft.load_balancer = _section(draft, values, "loadBalancer", LoadBalancer)
    draft.release = _section(draft, values, "release", ReleaseSettings)
    draft.harbor_wanted = values.get(HARBOR) is not None
    draft.harbor = _section(draft, values, HARBOR, HarborSettings) if draft.harbor_wanted else None
    draft.adopted = _section(draft, values, ADOPTED, AdoptedSettings) if values.get(ADOPTED) is not None else None
    _read_hosts(draft, values.get(HOSTS))
    _read_secrets(draft, values)
    _read_repair(draft, values.get(REPAIR))
    return draft


def _unknown(name: object, value: object) -> Fault:
    """A value by itself under a name that nobody knows may be a secret whose key is misspelt."""
    shown = value if isinstance(value, Mapping | list | None) else HIDDEN
    return fault([name], shown, UNKNOWN, nearest(str(name), KEYS))


def _section(draft: Draft, values: Mapping[str, object], name: str, model: type[SectionModel]) -> SectionModel | None:
    if values.get(name) is None:
        draft.faults.append(fault([name], None, "is not set", f"add it; {EXAMPLE}"))
        return None
    return _validated(draft, values[name], model, (name,))


def _validated(draft: Draft, value: object, model: type[SectionModel], path: tuple[object, ...]) -> SectionModel | None:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        draft.faults += from_pydantic(error, model, path)
        return None


def _read_hosts(draft: Draft, hosts: object) -> None:
    if not isinstance(hosts, Mapping) or not hosts:
        remedy = "name each host with its address and roles, like shaolin: {address: 192.0.2.11, roles: [master]}"
        draft.faults.append(fault([HOSTS], hosts, "is not a mapping of hosts' names to hosts", remedy))
        return
    for name, value in hosts.items():
        named = _valid_name(draft, name)
        host = _validated(draft, value, HostSettings, (HOSTS, name))
        if named and host is not None:
            draft.hosts[str(name)] = host
    draft.hosts_complete = len(draft.hosts) == len(hosts)


def _valid_name(draft: Draft, name: object) -> bool:
    try:
        _NamedHost.model_validate({"name": name})
    except ValidationError as error:
        details = from_pydantic(error, _NamedHost, (HOSTS, name))
        draft.faults += [fault([HOSTS], name, detail.what, detail.remedy) for detail in details]
        return False
    return True


def _read_secrets(draft: Draft, values: Mapping[str, object]) -> None:
    for name in SECRETS:
        value = values.get(name)
        if isinstance(value, str):
            draft.secrets[name] = value
        elif value is not None:
            draft.faults.append(fault([name], HIDDEN, "is not text", f"set it with {setting(name)}"))


def _read_repair(draft: Draft, value: object) -> None:
    marked = _validated(draft, {} if value is None else {REPAIR: value}, _Marked, ())
    draft.repair = marked.repair if marked else ""
