"""A host's environment names a proxy: downloads go by it, and nothing that asks the cluster does (scripts/lib.sh).

On a host with ``https_proxy`` in /etc/environment an ``up`` waited for an apiserver that was well.
"""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.scripts.bare_host import SCRIPTS, mirror

LIB = Path(__file__).resolve().parents[2] / "scripts" / "lib.sh"
ASKS = re.compile(r"(?<![-\w/.])(?:fetching )?curl (?=-)(?P<first>\S+)")
BY_THEMSELVES = {"status.sh", "upstream-check.sh"}  # they know nothing of lib.sh


def ask(url: str, command: str, environment: dict[str, str]) -> None:
    """As a script does that knows lib.sh."""
    script = f". {LIB}\n{command} -s -o /dev/null {url}/file"
    own = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    subprocess.run(["sh", "-s"], input=script, env=own | environment, text=True, check=True)


@pytest.mark.parametrize(
    ("command", "exempt", "by_proxy"),
    [("curl -q", "", False), ("fetching curl", "", True), ("fetching curl", "127.0.0.1", False)],
    ids=["a question", "a download", "a download from nearby"],
)
def test_what_goes_by_the_proxy_of_the_hosts_environment(command: str, exempt: str, by_proxy: bool) -> None:
    """The proxy is asked for the whole address, and has no such file."""
    with mirror() as near, mirror() as proxy:
        near.files["/file"] = b"near"
        proxy.files[f"{near.url}/file"] = b"by the proxy"
        ask(near.url, command, {"http_proxy": proxy.url} | ({"no_proxy": exempt} if exempt else {}))
        assert bool(proxy.served) == by_proxy
        assert bool(near.served) != by_proxy


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_every_question_of_a_script_leaves_roots_own_settings_of_curl_alone(name: str) -> None:
    """A ``.curlrc`` may name a proxy as well. A script that doesn't know lib.sh says itself that there is none."""
    code = re.sub(r"^\s*#.*$", "", SCRIPTS[name], flags=re.M)
    for found in ASKS.finditer(code):
        assert found[0].startswith("fetching ") or found["first"] == "-q", found[0]
        if name in BY_THEMSELVES:
            line = code[found.start() :].partition("\n")[0]
            assert "noproxy" in line or "--config" in line, line
