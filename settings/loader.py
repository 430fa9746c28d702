"""Turns a stack's configuration into a ``Stack``, or says everything that is wrong with it at once.

Owns: the order of the steps. Does not own: any one step, or where configuration comes from.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from settings import access, resolved_harbor, rules
from settings import release as releases
from settings.draft import KEYS, Draft, read
from settings.errors import HIDDEN, NAMESPACE, Fault, SettingsError, fault
from settings.merge import merged
from settings.schema import Cluster
from settings.secret_keys import CERTIFICATE_KEY, SECRETS, SSH_KEY, setting
from settings.stack import Adopted, Host, ServerCertificate, Ssh, Stack


def parse(values: Mapping[str, object], root: Path | None = None, secret: Collection[str] | None = None) -> Stack:
    """The stack of a mapping such as ``config`` of a stack's file; keys may carry the project's name before them.

    Paths are relative to ``root``, else to the working folder. ``secret``: the keys that are stored as secrets, where
    that is known; one that should be and isn't is a fault then, and one that is and shouldn't be.
    """
    own = {str(name).removeprefix(f"{NAMESPACE}:"): value for name, value in values.items()}
    known = {name: value for name, value in own.items() if ":" not in name}
    return _stack(known, root, () if secret is None else _misplaced(known, secret))


def _stack(values: Mapping[str, object], root: Path | None, faults: Iterable[Fault]) -> Stack:
    draft = read(values)
    draft.faults += faults
    base = (root or Path.cwd()).absolute()
    endpoints = access.resolve(draft, base)
    release = releases.resolve(draft, base)
    certificate, trusted = _own_certificate(draft, base), _trusted(draft, base)
    adopted = _adopted(draft)
    draft.faults += rules.refused(draft)
    if draft.faults or not (draft.cluster and draft.load_balancer and release):
        raise SettingsError(draft.faults)
    hosts = _hosts(draft, draft.cluster, endpoints)
    harbor = resolved_harbor.resolve(draft, draft.load_balancer, certificate, trusted)
    warnings = [
        *rules.warned(draft),
        *releases.warned(draft, release),
        *access.warned(hosts),
        *resolved_harbor.warned(harbor),
    ]
    return Stack(
        cluster=draft.cluster,
        hosts=hosts,
        load_balancer=draft.load_balancer,
        release=release,
        harbor=harbor,
        harbor_secrets=resolved_harbor.secrets(draft),
        adopted=adopted,
        repair=draft.repair,
        warnings=tuple(str(warning) for warning in warnings),
    )


def _own_certificate(draft: Draft, base: Path) -> ServerCertificate | None:
    harbor = draft.harbor
    if harbor is None or harbor.certificate is None or harbor.ca is None or CERTIFICATE_KEY not in draft.secrets:
        return None
    # Not above: cryptography takes a tenth of a second to import, and most stacks have no certificate of their own.
    from settings import harbor_certificate

    return harbor_certificate.read(draft, harbor, base)


def _trusted(draft: Draft, base: Path) -> str:
    if draft.harbor is None or not draft.harbor.trusted_authorities:
        return ""
    from settings import harbor_certificate  # not above, as for a certificate of the user's own

    return harbor_certificate.authorities(draft, draft.harbor.trusted_authorities, base)


def _adopted(draft: Draft) -> Adopted | None:
    if draft.adopted is None:
        return None
    from settings import authorities  # not above, as for a certificate of the user's own

    return authorities.resolve(draft, draft.adopted)


def _misplaced(names: Iterable[str], secret: Collection[str]) -> Iterator[Fault]:
    for name in names:
        if name in SECRETS and name not in secret:
            remedy = f"make a new one and set it with {setting(name)}"
            yield fault([name], HIDDEN, "is stored in plain text", remedy)
        if name in KEYS and name not in SECRETS and name in secret:
            remedy = f"keep secrets in keys of their own, like {NAMESPACE}:{SSH_KEY}"
            yield fault([name], HIDDEN, "holds a secret, which hides all of it from previews", remedy)


def _hosts(draft: Draft, cluster: Cluster, endpoints: dict[str, Ssh]) -> dict[str, Host]:
    return {
        name: Host(
            name=name,
            address=host.address,
            roles=tuple(host.roles),
            ssh=endpoints[name],
            kubelet_config=merged(cluster.kubelet.config, host.kubelet.config),
        )
        for name, host in draft.hosts.items()
    }
