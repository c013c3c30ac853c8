"""The files around the code: they parse, they pin, and they name no machine of ours."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from importlib import metadata
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

import airflow_provider_spotify
from tests.architecture.tree import ROOT, shown, texts, tracked

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
YAML = [file for file in tracked() if file.suffix in (".yaml", ".yml")]
OURS = re.compile(
    r"(?<![\w.])/(?:work|root|home/[a-z]\w*)/(?=[\w.])"  # folders of one machine
    r"|--?(?:extra-)?index-url[= ]\s*\S*://"
    r"|\bindex[_-]url\s*=\s*[\"']?https?://"
    r"|https?://[^\s/]*:[^\s/@]+@(?!127\.0\.0\.1|localhost)[^\s/]*/(?:simple|pypi)\b"
    r"|\bUV_(?:DEFAULT_)?INDEX\w*\s*="
    r"|\bPIP_(?:EXTRA_)?INDEX_URL\s*="
)
"""What would tie the project to where it was written."""
S = "/"  # so that this file does not hold what it looks for


def test_no_file_names_a_machine_or_a_registry_of_ours() -> None:
    found = [
        f"{shown(file)}: {match[0]}"
        for file, text in texts()
        if file != Path(__file__)
        for match in OURS.finditer(text)
    ]
    assert not found


@pytest.mark.parametrize(
    "text",
    [
        f"{S}work{S}elsewhere",
        f"'{S}root{S}.venv'",
        "--index-url https://x",
        'index-url = "https://x"',
    ],
)
def test_the_guard_sees_what_it_guards_against(text: str) -> None:
    assert OURS.search(text)


@pytest.mark.parametrize(
    "text", [f"https://x.example{S}work{S}elsewhere", "framework/x", "--no-emit-index-url --x"]
)
def test_the_guard_lets_the_harmless_pass(text: str) -> None:
    assert not OURS.search(text)


def pins() -> Iterator[Requirement]:
    for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            yield Requirement(line)


def test_constraints_are_plain_pins() -> None:
    """No URLs, no hashes, no options: they hold wherever the packages come from."""
    text = (ROOT / "constraints.txt").read_text("utf-8")
    assert "://" not in text
    for pin in pins():
        (only,) = pin.specifier
        assert only.operator == "==", pin
    assert len(list(pins())) > 100


def test_the_constraints_allow_what_the_project_requires() -> None:
    pinned = {_plain(pin.name): Version(next(iter(pin.specifier)).version) for pin in pins()}
    extras = PROJECT["optional-dependencies"].values()
    wanted = [*PROJECT["dependencies"], *chain.from_iterable(extras)]
    for requirement in map(Requirement, wanted):
        name = _plain(requirement.name)
        if name == _plain(PROJECT["name"]):
            continue
        assert name in pinned, f"{name} has no pin: run `make constraints`"
        assert pinned[name] in requirement.specifier, name


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_extra_all_holds_every_family() -> None:
    extras = PROJECT["optional-dependencies"]
    (every,) = extras["all"]
    assert set(Requirement(every).extras) == set(extras) - {"all", "bench", "dev", "test"}


@pytest.mark.parametrize("file", YAML, ids=shown)
def test_every_yaml_file_is_yaml(file: Path) -> None:
    assert list(yaml.safe_load_all(file.read_text("utf-8")))


def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yaml").read_text("utf-8"))
    return found["services"]  # type: ignore[no-any-return]


def test_every_image_is_pinned_to_a_version() -> None:
    """``latest``, or a tag that is a name alone, would be another server next week."""
    text = (ROOT / "docker-compose.yaml").read_text("utf-8")
    images = re.findall(r"^\s*(?:image:|FROM)\s+(\S+)", text, re.MULTILINE)
    assert images
    for image in images:
        name, _, tag = image.partition(":")
        assert re.match(r"v?\d+\.\d+", tag), f"{name}: {tag or 'no tag'}"


def test_every_service_of_the_composition_is_built_or_pulled_and_has_its_health_checked() -> None:
    for name, service in services().items():
        assert "image" in service or "build" in service, name
        once = str(service.get("restart", "")) == "no"
        assert once or "healthcheck" in service, name


def test_nobody_outside_the_machine_reaches_the_composition() -> None:
    for name, service in services().items():
        for port in service.get("ports", []):
            assert str(port).startswith("127.0.0.1:"), (name, port)


def test_there_is_one_version() -> None:
    version = airflow_provider_spotify.__version__
    assert str(Version(version)) == version
    assert metadata.version(PROJECT["name"]) == version
    assert PROJECT["dynamic"] == ["version"]
    heads = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    newest = heads[0].strip("[]").split()[0].strip("[]")
    assert newest == "Unreleased" or newest == version


def test_the_entry_points_name_what_exists() -> None:
    groups = PROJECT["entry-points"]
    named = [*PROJECT["scripts"].values()]
    named += [value for group in groups.values() for value in group.values()]
    for value in named:
        module, _, name = value.partition(":")
        path = ROOT / module.replace(".", "/")
        file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        assert file.exists(), value
        assert not name or re.search(rf"^(?:def|class) {name}\b", file.read_text(), re.MULTILINE)


def test_the_json_schema_that_editors_use_is_json() -> None:
    (file,) = (f for f in tracked() if f.name == "tenant.schema.json")
    assert json.loads(file.read_text("utf-8"))["type"] == "object"
