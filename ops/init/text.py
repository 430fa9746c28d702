"""The text of a new stack's file: every answer with a word on what it means.

Owns the text, and checking it as ``up`` would. Does not own the answers (``ops.init.answers``), the rules
(``settings``), or writing it (``ops.init.command``). What is checked is the very text that is written.
"""

import json
from pathlib import Path

import yaml

import settings
from ops.init.answers import Answers, BastionAnswer, HostAnswer, Source
from settings import NAMESPACE, Stack

ROUTER_ID = 51
HEAD = """\
# Stack `{stack}`, begun by `python -m ops init`. Pulumi.staging.yaml shows every other key, with its default.
#
# Nothing secret stands here in plain text. A secret is a key of its own, which the engine encrypts:
#   pulumi config set --secret evenkeel:KEY --stack {stack}
config:
  evenkeel:cluster:
    name: {name} # of the cluster, in every kubeconfig
    environment: {environment} # development, staging or production
    podCidr: {pod_cidr} # each node takes a /24 of it; it holds no host's address
    serviceCidr: {service_cidr} # .1 is Service `kubernetes`, .10 is DNS; it holds no host's address

  # The names become the nodes' names and must not change afterwards. Roles are master (etcd, apiserver), worker, lb
  # (nginx in front of the apiservers) and hub (Harbor).
  evenkeel:hosts:
{hosts}
  evenkeel:ssh:
    user: {user} # root, or a user who may `sudo` without a password (docs/least-privilege.md)
    port: {port}
    knownHosts: {known_hosts} # every host must show the key that stands here; commit the file
"""
KEY_FILE = """\
    # Read on the machine that runs `up`. Where there is no such file, set the key as a secret in place of this line:
    # pulumi config set --secret evenkeel:sshPrivateKey --stack {stack} < FILE
    privateKeyFile: {private_key_file}
"""
AGENT = "    agent: true # the key is one of the SSH agent's at SSH_AUTH_SOCK, on the machine that runs `up`\n"
BASTION = "    bastion: {{host: {host}, user: {user}, port: {port}}} # every host is reached through it\n"
LOAD_BALANCER = """
  evenkeel:loadBalancer:
    address: {address} # where clients, workers and kube-proxy find the API
    port: {port}{why}
"""
SHARED = " # not the apiserver's own 6443, where a load balancer shares a master's host"
VIP = """\
    # keepalived keeps the address on one of the load balancers; no other VRRP router on this network has this routerId
    vip: {{address: {address}, interface: {interface}, routerId: {router_id}}}
"""
RELEASE = """
  evenkeel:release: # which versions run: a file of releases/, with its lock from `python -m ops lock`
    name: {name}
"""
LOCK = "    lock: {lock}\n"
MIRROR = "    mirror: {{artifacts: {artifacts}, images: {images}}} # docs/airgap.md\n"


def of(answers: Answers) -> str:
    """The whole file."""
    names = ("name", "environment", "pod_cidr", "service_cidr", "user", "port", "known_hosts")
    values = {name: _scalar(getattr(answers, name)) for name in names}
    head = HEAD.format(stack=answers.stack, hosts="".join(map(_host, answers.hosts)), **values)
    return head + _key(answers) + _bastion(answers.bastion) + _load_balancer(answers) + _release(answers.source)


def checked(text: str, folder: Path, known_hosts: Path | None = None) -> Stack:
    """The stack that the text describes, as ``up`` would read it; ``known_hosts`` stands in for the file it names."""
    values = {name.removeprefix(f"{NAMESPACE}:"): value for name, value in yaml.safe_load(text)["config"].items()}
    if known_hosts:
        values["ssh"]["knownHosts"] = str(known_hosts)
    return settings.parse(values, folder)


def _host(host: HostAnswer) -> str:
    roles = ", ".join(map(_scalar, host.roles))
    return f"    {_scalar(host.name)}: {{address: {_scalar(host.address)}, roles: [{roles}]}}\n"


def _key(answers: Answers) -> str:
    file = answers.private_key_file
    return AGENT if file is None else KEY_FILE.format(stack=answers.stack, private_key_file=_scalar(file))


def _bastion(bastion: BastionAnswer | None) -> str:
    if bastion is None:
        return ""
    return BASTION.format(host=_scalar(bastion.host), user=_scalar(bastion.user), port=_scalar(bastion.port))


def _load_balancer(answers: Answers) -> str:
    address = _scalar(answers.address)
    shared = any({"lb", "master"} <= set(host.roles) for host in answers.hosts)
    text = LOAD_BALANCER.format(address=address, port=_scalar(answers.api_port), why=SHARED if shared else "")
    if answers.interface:
        text += VIP.format(address=address, interface=_scalar(answers.interface), router_id=ROUTER_ID)
    return text


def _release(source: Source) -> str:
    text = RELEASE.format(name=yaml.dump(source.release, default_style='"').strip())
    if source.lock:
        text += LOCK.format(lock=_scalar(source.lock))
    if source.mirror_artifacts:
        text += MIRROR.format(artifacts=_scalar(source.mirror_artifacts), images=_scalar(source.mirror_images))
    return text


def _scalar(text: str) -> str:
    """A value inside a mapping in braces; a number stays one."""
    if text.isascii() and text.isdigit():
        return text
    if not text.isprintable():
        return json.dumps(text)
    return yaml.safe_dump([text], default_flow_style=True, width=1_000_000, allow_unicode=True).strip()[1:-1]
