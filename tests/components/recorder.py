"""Runs components against Pulumi's mocks and keeps what they register.

Texts that the real plugins mark as secret are secret here too, so that a test can ask whether one got out unwrapped.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi.runtime import Mocks, rpc, set_mocks
from pulumi.runtime import settings as sdk
from pulumi.runtime import test as awaiting_all
from pulumi.runtime.mocks import MockCallArgs, MockMonitor, MockResourceArgs

SECRET_TEXTS = {
    "tls:index/privateKey:PrivateKey": {
        "privateKeyPem": "-----BEGIN EC PRIVATE KEY-----\n{name}\n-----END EC PRIVATE KEY-----\n"
    },
    "random:index/randomPassword:RandomPassword": {"result": "word-of-{name}"},
}
RUN = "0a1b2c3d"  # what a stage command says last
TEXTS = {
    "tls:index/privateKey:PrivateKey": {"publicKeyPem": "-----BEGIN PUBLIC KEY-----\n{name}\n"},
    "tls:index/certRequest:CertRequest": {"certRequestPem": "-----BEGIN CERTIFICATE REQUEST-----\n{name}\n"},
    "tls:index/selfSignedCert:SelfSignedCert": {"certPem": "-----BEGIN CERTIFICATE-----\n{name}\n"},
    "tls:index/locallySignedCert:LocallySignedCert": {"certPem": "-----BEGIN CERTIFICATE-----\n{name}\n"},
    "random:index/randomUuid:RandomUuid": {"result": "00000000-0000-4000-8000-000000000000"},
    "command:remote:Command": {"stdout": f"something\n{RUN}", "stderr": ""},
}


@dataclass(frozen=True)
class Registration:
    """One resource as the engine would see it; secrets in ``inputs`` are wrapped. ``request``: all that it is told."""

    type: str
    name: str
    inputs: dict[str, Any]
    request: Any

    @property
    def after(self) -> set[str]:
        """The names of the resources that the engine makes before this one."""
        return {urn.rpartition("::")[2] for urn in self.request.dependencies}


class Recorder(Mocks):
    """Answers as the real plugins would, and remembers. ``known``: outputs of resources that are there already."""

    def __init__(self, known: Mapping[str, dict[str, Any]]) -> None:
        self.registered: list[Registration] = []
        self._known = known
        self.requests: dict[str, Any] = {}

    def new_resource(self, args: MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        self.registered.append(Registration(args.typ, args.name, args.inputs, self.requests[args.name]))
        outputs = {key: text.format(name=args.name) for key, text in TEXTS.get(args.typ, {}).items()}
        secrets = SECRET_TEXTS.get(args.typ, {})
        outputs |= {key: _secret(text.format(name=args.name)) for key, text in secrets.items()}
        if args.typ.endswith("Cert"):
            outputs["validityEndTime"] = "2027-11-23T00:00:00Z"
        return f"{args.name}-id", {**args.inputs, **outputs, **self._known.get(args.name, {})}

    def call(self, args: MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        raise AssertionError(f"no component asks a plugin anything, but {args.token} was called")


class Monitor(MockMonitor):
    """Keeps whole requests: mocks alone are not told parents, dependencies and options."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__(recorder)
        self._recorder = recorder

    def RegisterResource(self, request: Any) -> Any:
        self._recorder.requests[request.name] = request
        return super().RegisterResource(request)  # type: ignore[no-untyped-call] # the SDK's mocks have no types


class NoCallbacks:
    """Where the SDK registers hooks. Its mocks have no such place, and their engine never calls one."""

    def register_error_hook(self, hook: pulumi.ErrorHook) -> None:
        """Nothing to do."""

    def register_resource_hook(self, hook: pulumi.ResourceHook) -> None:
        """Nothing to do."""


def run(
    program: Callable[[], object], preview: bool = False, known: Mapping[str, dict[str, Any]] | None = None
) -> list[Registration]:
    """What ``program`` registers, once every registration has landed."""
    recorder = Recorder(known or {})
    set_mocks(recorder, project="evenkeel", stack="sample", preview=preview, monitor=Monitor(recorder))
    sdk.SETTINGS.callbacks = NoCallbacks()
    ended: Callable[[], None] = awaiting_all(program)  # type: ignore[no-untyped-call] # the SDK's decorator has no types
    ended()
    return recorder.registered


def commands(registered: list[Registration]) -> dict[str, Registration]:
    """The remote commands by name."""
    return {one.name: one for one in registered if one.type == "command:remote:Command"}


def is_secret(value: object) -> bool:
    """Whether a registered input travels wrapped."""
    return isinstance(value, dict) and value.get(rpc._special_sig_key) == rpc._special_secret_sig


def plain_texts(value: object) -> list[str]:
    """Every string of a registered input that is not wrapped as a secret."""
    if is_secret(value):
        return []
    if isinstance(value, dict):
        return [text for inner in value.values() for text in plain_texts(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in plain_texts(inner)]
    return [value] if isinstance(value, str) else []


def unwrapped(value: Any) -> Any:
    """The value of an input, secret or not."""
    return value["value"] if is_secret(value) else value


def _secret(text: str) -> Any:
    return {rpc._special_sig_key: rpc._special_secret_sig, "value": text}
