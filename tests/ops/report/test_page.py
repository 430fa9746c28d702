"""What the page of a stack promises, whatever the stack is like."""

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel, SecretStr

from ops.health import Report
from ops.report.page import page
from settings import Stack
from tests.ops.readings import NOW
from tests.ops.report import html, sample
from tests.settings import samples

LOADING = ("src", "srcset", "poster", "data", "action", "formaction", "background", "ping", "manifest")
HOSTILE = "</text></style></script><script>alert(1)</script><img src=x onerror=alert(2)>\"' onload='x' &lt; \x1b[31m"


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    return sample.stack(tmp_path)


@pytest.fixture(params=["well", "troubled", "large"])
def text(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return sample.pages(tmp_path)[request.param]


def shown(stack: Stack, found: Report) -> str:
    return page(stack, found, sample.roll(), NOW)


def test_the_page_loads_nothing_and_runs_nothing(text: str) -> None:
    read = html.read(text)
    assert read.declaration == "DOCTYPE html"
    for one in read.elements:
        assert one.tag not in ("script", "link", "iframe", "img", "object", "embed", "image", "foreignobject", "form")
        assert not [name for name in one.attributes if name in LOADING or name.startswith("on")]
        assert one.attributes.get("href", "#").startswith("#")
    styles = [*(one.text for one in read.all("style")), *(one.attributes.get("style", "") for one in read.elements)]
    assert not re.search(r"url\(|@import|@font-face|//", " ".join(styles))
    (policy,) = read.all("meta", **{"http-equiv": "Content-Security-Policy"})
    assert policy.attributes["content"].startswith("default-src 'none';")


def test_every_reference_leads_to_one_place_on_the_page(text: str) -> None:
    read = html.read(text)
    ids = [one.attributes["id"] for one in read.elements if "id" in one.attributes]
    assert len(ids) == len(set(ids))
    references = [one.attributes["href"].removeprefix("#") for one in read.all("a")]
    references += [name for one in read.elements for name in one.attributes.get("aria-labelledby", "").split()]
    assert references
    assert set(references) <= set(ids)


def test_each_drawing_says_in_words_what_it_shows(text: str) -> None:
    read = html.read(text)
    drawings = read.all("svg", role="img")
    assert drawings
    titles, descriptions = read.all("title"), read.all("desc")
    for one in drawings:
        title, description = one.attributes["aria-labelledby"].split()
        assert [found.text for found in titles if found.attributes.get("id") == title] > [""]
        assert [found.text for found in descriptions if found.attributes.get("id") == description] > [""]
    # What is a sign only is not read out: the word for it is beside it.
    assert {one.attributes["aria-hidden"] for one in read.all("svg", class_="sign")} == {"true"}


def test_a_screen_reader_hears_tables_as_tables_though_a_phone_shows_lists(text: str) -> None:
    read = html.read(text)
    for tag, role in {"table": "table", "tr": "row", "td": "cell", "thead": "rowgroup", "tbody": "rowgroup"}.items():
        assert {one.attributes["role"] for one in read.all(tag)} <= {role}
    assert {one.attributes["scope"] for one in read.all("th")} == {"col", "row"}
    assert len(read.all("caption")) == len(read.all("table"))


def test_the_page_says_at_once_whether_all_is_well(stack: Stack) -> None:
    read = html.read(shown(stack, sample.found(stack, sample.well())))
    (verdict,) = read.all("div", class_="verdict")
    assert verdict.text == "All is well"
    assert read.all("title")[0].text == "well: sample"
    assert not [
        one for one in read.elements if "wrong" in one.attributes.get("class", "").split() and one.tag != "rect"
    ]


def test_everything_that_is_not_well_is_at_the_top_and_leads_to_its_host(stack: Stack) -> None:
    found = sample.found(stack, sample.troubled())
    read = html.read(shown(stack, found))
    (verdict,) = read.all("div", class_="verdict")
    assert verdict.text.startswith(f"{len(found.troubles)} things are not well")
    assert all(trouble in verdict.text for trouble in found.troubles)
    assert read.all("title")[0].text == "not well: sample"
    assert {one.attributes["href"] for one in read.all("a")} >= {"#host-emei", "#host-lb2", "#host-hub2"}


def test_what_is_said_of_many_hosts_is_said_once(tmp_path: Path) -> None:
    (verdict,) = html.read(sample.pages(tmp_path)["large"]).all("div", class_="verdict")
    assert "20 hosts: is not reached: kubernetes-" in verdict.text
    assert verdict.text.count("is not reached") == 1


def test_no_text_that_was_read_becomes_markup(stack: Stack) -> None:
    """The path of a certificate, a container's words, ssh's: whatever a host says is shown as it is said."""
    found = sample.found(stack, sample.troubled())
    tags = [one.tag for one in html.read(shown(stack, found)).elements]
    found.stack = HOSTILE
    found.troubles[0] = f"{HOSTILE}{found.troubles[0]}"
    found.last_backup = HOSTILE
    found.vip_holders = [HOSTILE]
    found.nginx = dict.fromkeys(found.nginx, HOSTILE)
    found.leaders = dict.fromkeys(found.leaders, HOSTILE)
    found.hub_keys = {hub: [HOSTILE for _ in wrong] for hub, wrong in found.hub_keys.items()}
    found.certificates = [dataclasses.replace(one, path=HOSTILE) for one in found.certificates]
    found.etcd = [dataclasses.replace(one, version=HOSTILE) for one in found.etcd]
    found.api_servers = [dataclasses.replace(one, version=HOSTILE) for one in found.api_servers]
    found.nodes = [dataclasses.replace(one, kubelet=HOSTILE, troubles=(HOSTILE,)) for one in found.nodes]
    read = html.read(page(stack, found, HOSTILE, NOW))
    assert {one.tag for one in read.elements} <= set(tags)
    assert not [name for one in read.elements for name in one.attributes if name.startswith("on")]
    visible = HOSTILE.replace("\x1b", "\N{REPLACEMENT CHARACTER}")
    assert visible in read.all("title")[0].text
    assert visible in read.all("ul")[0].text


def test_no_secret_of_the_stack_is_on_its_page(stack: Stack) -> None:
    found = sample.found(stack, sample.troubled())
    text = shown(stack, found)
    known = set(secrets(stack))
    assert {samples.PRIVATE_KEY, samples.ADMIN_PASSWORD, samples.DATABASE_PASSWORD} <= known
    assert not [secret for secret in known if secret in text or secret.splitlines()[-1] in text]
    assert "PRIVATE KEY" not in text


def secrets(value: object) -> Iterator[str]:
    """Everything within a value that is kept secret."""
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif dataclasses.is_dataclass(value):
        for one in dataclasses.fields(value):
            yield from secrets(getattr(value, one.name))
    elif isinstance(value, BaseModel):
        yield from secrets(dict(value))
    elif isinstance(value, dict | list | tuple):
        for part in value.values() if isinstance(value, dict) else value:
            yield from secrets(part)


def test_a_version_that_is_not_the_releases_is_told_with_its_hosts(stack: Stack) -> None:
    found = sample.found(stack, sample.well())
    found.etcd[1] = dataclasses.replace(found.etcd[1], version="3.6.13")
    (row,) = [one.text for one in html.read(shown(stack, found)).all("tr") if one.text.startswith("etcd3.6.14")]
    assert row == "etcd3.6.143.6.14 on shaolin, emei3.6.13 on wudang"


def test_a_roll_that_cannot_be_had_is_said_and_the_rest_is_there(stack: Stack) -> None:
    read = html.read(page(stack, sample.found(stack, sample.well()), "the state is locked", NOW))
    assert "Not known: the state is locked" in [one.text for one in read.all("p")]
    assert read.all("svg", role="img")
