"""What all hubs of a stack share: Harbor's keys, secrets and server certificate, as resources.

Owns how each comes to be and when it changes: a value is renewed by raising its number in ``harbor.generations``, and
nothing else is then. What the user brings takes the place of what would be made. Does not own what Harbor calls these
values (``render.harbor``), nor in which order hubs go over to new ones (``components.harbor_node``).

What can't be renewed at once is protected: Harbor's own authority, which clients trust and which has generations
(``render.generations``), and the secret key, which the database's credentials are encrypted with.
"""

from dataclasses import dataclass
from functools import partial

import pulumi
from pulumi_random import RandomPassword
from pydantic import SecretStr

from components.certificates import Listed, Pair, Subject, authority, brought, leaf, moment, private_key, self_signed
from render.certificates import SERVER
from render.generations import bundle, named
from render.harbor.secrets import HarborSecrets
from settings import Harbor, Stack
from settings.fields import is_ip

TOKEN_KEY_BITS = 4096
PASSWORD_LETTERS = 32
KEY_LETTERS = 16  # of the secret key: it is an AES key, so not one more and not one less
CSRF_LETTERS = 32


@dataclass(frozen=True)
class HubSecretsArgs:
    """``stack``: must have a Harbor."""

    stack: Stack


class HubSecrets(pulumi.ComponentResource):
    """``values`` is all that Harbor needs; ``ca`` is who may vouch for its URL; ``fingerprint_key`` and
    ``probe_password`` are the program's own; ``listed`` are the certificates that clients meet, with their ends."""

    def __init__(self, name: str, args: HubSecretsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("evenkeel:index:HubSecrets", name, None, opts)
        if args.stack.harbor is None:
            raise ValueError(f"{name}: the stack has no Harbor")
        self._name, self._stack, self._harbor = name, args.stack, args.stack.harbor
        self._opts = pulumi.ResourceOptions(parent=self)
        self._kept = pulumi.ResourceOptions(parent=self, protect=True)
        self.server, self.ca, authorities = self._server()
        self.listed = [*authorities, Listed(f"{name}-server", None, self.server.not_after)]
        self.fingerprint_key = self.password("fingerprint-key").result
        self.probe_password = self.password("probe").result
        self.values = self._values()
        self.register_outputs({"ca": self.ca})

    def password(self, what: str, letters: int = PASSWORD_LETTERS, generation: int = 1) -> RandomPassword:
        """A random word of letters and digits, of which a robot's password needs each kind."""
        return self._random(what, letters, generation, self._opts)

    def _values(self) -> pulumi.Output[HarborSecrets]:
        given, generations = self._stack.harbor_secrets, self._harbor.generations
        key = _own(given.token_key) or self._token_key(generations.token_key)
        texts: dict[str, pulumi.Input[str]] = {
            "token_key": key,
            "token_certificate": self._token_certificate(key, generations.token_key),
            "secret_key": _own(given.secret_key) or self._random("secret-key", KEY_LETTERS, 1, self._kept).result,
            "core_secret": self.password("core").result,
            "jobservice_secret": self.password("jobservice").result,
            "registry_http_secret": self.password("registry-http", generation=generations.http_secret).result,
            "csrf_key": _own(given.csrf_key) or self.password("csrf-key", CSRF_LETTERS, generations.csrf_key).result,
            "registry_password": self.password(
                "registry-credential", generation=generations.registry_credential
            ).result,
            "admin_password": _own(given.admin_password) or "",
            "database_password": self._store_password("database", given.database_password),
            "redis_password": self._store_password("redis", given.redis_password),
            "storage_secret_key": _own(given.storage_secret_key) or "",
            "server_certificate": self.server.certificate,
            "server_key": self.server.key,
            "ca": self.ca,
        }
        made = pulumi.Output.all(**texts).apply(lambda done: HarborSecrets(**done))
        return pulumi.Output.secret(made)

    def _random(self, what: str, letters: int, generation: int, opts: pulumi.ResourceOptions) -> RandomPassword:
        return RandomPassword(
            f"{self._name}-{what}",
            length=letters,
            special=False,
            min_upper=1,
            min_lower=1,
            min_numeric=1,
            keepers={"generation": str(generation)},
            opts=opts,
        )

    def _token_key(self, generation: int) -> pulumi.Output[str]:
        """PKCS#1, as pulumi-tls writes RSA keys: core mints nothing with PKCS#8."""
        kind = {"algorithm": "RSA", "rsaBits": TOKEN_KEY_BITS}
        return private_key(f"{self._name}-token-key-{generation}", kind, self._opts).output("privateKeyPem")

    def _token_certificate(self, key: pulumi.Input[str], generation: int) -> pulumi.Output[str]:
        name, uses = f"{self._name}-token-key-{generation}", {"allowedUses": ["digital_signature"]}
        return self_signed(name, key, "harbor-token-issuer", uses, self._opts).output("certPem")

    def _store_password(self, store: str, given: SecretStr | None) -> pulumi.Input[str]:
        """A bundled store is nobody else's, so that its password need not be known to anybody."""
        if given or self._harbor.store == "external":
            return _own(given) or ""
        return self.password(f"{store}-password").result

    def _server(self) -> tuple[Pair, pulumi.Output[str], list[Listed]]:
        """The server's certificate; the authorities that are trusted to vouch for it, and their ends."""
        given, key = self._harbor.server_certificate, self._stack.harbor_secrets.certificate_key
        if given and key:
            pair = brought(given.chain, key, given.not_after)
            ends = [Listed(f"{self._name}-ca", None, moment(given.ca_not_after))]
            return pair, pulumi.Output.from_input(given.ca), ends
        generations = self._harbor.generations.ca
        own = {one: self._authority(one) for one in generations}
        trusted = pulumi.Output.all(*(pair.certificate for pair in own.values())).apply(partial(bundle, generations))
        ends = [Listed(f"{self._name}-{named('ca', one)}", None, pair.not_after) for one, pair in own.items()]
        return self._leaf(own[generations[0]]), trusted, ends

    def _authority(self, generation: int) -> Pair:
        """What issues is protected. What is only trusted has not issued yet, or is about to be dropped."""
        name, common_name = named("ca", generation), named(f"harbor-ca-{self._stack.cluster.name}", generation)
        opts = self._kept if generation == self._harbor.generations.ca[0] else self._opts
        return authority(f"{self._name}-{name}", self._stack.cluster.pki.algorithm, common_name, opts)

    def _leaf(self, signer: Pair) -> Pair:
        names = server_names(self._stack, self._harbor)
        subject = Subject(
            self._harbor.host,
            SERVER,
            dns_names=[name for name in names if not is_ip(name)],
            ip_addresses=[name for name in names if is_ip(name)],
        )
        name = f"{self._name}-server-{self._harbor.generations.certificate}"
        return leaf(name, self._stack.cluster.pki.algorithm, subject, signer, self._opts)


def server_names(stack: Stack, harbor: Harbor) -> list[str]:
    """All names and addresses by which somebody may ask a hub, or the load balancers before it."""
    fronts = [stack.load_balancer.address, *(host.address for host in stack.load_balancers().values())]
    hubs = [text for name, hub in stack.hubs().items() for text in (name, hub.address)]
    names = [harbor.host, harbor.address, *harbor.extra_sans, *fronts, *hubs, "localhost", "127.0.0.1"]
    return list(dict.fromkeys(str(name) for name in names))


def _own(given: SecretStr | None) -> pulumi.Output[str] | None:
    return pulumi.Output.secret(given.get_secret_value()) if given else None
