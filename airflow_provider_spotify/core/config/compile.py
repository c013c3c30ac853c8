"""Loads folders of tenant YAML, and single ones, into frozen plans.

The order in which a value is decided, weakest first: what is built in, ``_defaults.yaml``, the
tenant, the import. A broken file never keeps another tenant from its plan.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from airflow_provider_spotify.core.config.collisions import collisions, twins
from airflow_provider_spotify.core.config.defaults import (
    FILE_NAME,
    NO_DEFAULTS,
    Defaults,
    read_defaults,
)
from airflow_provider_spotify.core.config.plans import TenantPlan
from airflow_provider_spotify.core.config.problems import InvalidConfig, Problem, in_order
from airflow_provider_spotify.core.config.tenant import Compiled, compile_tenant
from airflow_provider_spotify.core.errors import ConfigurationError

MAX_BYTES = 4 * 1024 * 1024
"""No tenant's YAML is larger; a file that is was put there by mistake."""


class Folder(NamedTuple):
    """What a folder of YAML says.

    :param tenants: the plans, by tenant, sorted
    :param problems: everything that is wrong, in the order of files and lines
    :param texts: the YAML text of each tenant that compiled
    :param files: the file of each tenant that compiled
    :param broken: the problems of each file that did not compile
    :param defaults: what ``_defaults.yaml`` says; needed again to compile one text of the folder
    """

    tenants: Mapping[str, TenantPlan]
    problems: tuple[Problem, ...]
    texts: Mapping[str, str]
    files: Mapping[str, str]
    broken: Mapping[str, tuple[Problem, ...]]
    defaults: Defaults


def load_folder(path: str | Path) -> Folder:
    """Compile every ``*.yaml`` and ``*.yml`` of a folder that does not begin with ``_`` or ``.``.

    If ``_defaults.yaml`` is broken there are no tenants: what it says of privacy or destinations
    is not to be guessed.

    :raises ConfigurationError: if the folder does not exist
    """
    folder = Path(path)
    if not folder.is_dir():
        raise ConfigurationError(f"there is no folder {str(path)!r} with tenants' YAML")
    found: dict[str, list[Problem]] = defaultdict(list)
    defaults, wrong = _defaults(folder)
    if wrong:
        problems = in_order(wrong)
        return Folder({}, problems, {}, {}, {str(folder / FILE_NAME): problems}, defaults)
    compiled: list[Compiled] = []
    for file in tenant_files(folder):
        text, problem = _text(file)
        if problem:
            found[str(file)].append(problem)
        else:
            compiled.append(compile_tenant(text, file=str(file), defaults=defaults))
    return _folder(compiled, found, defaults)


def load_tenant(text: str, *, name: str, defaults: Defaults | str = NO_DEFAULTS) -> TenantPlan:
    """Compile the text of one tenant.

    :param name: what problems call the file
    :param defaults: the folder's defaults, or the text of its ``_defaults.yaml``
    :raises InvalidConfig: if anything is wrong with it; ``problems`` holds all of it
    """
    if isinstance(defaults, str):
        defaults, wrong = read_defaults(defaults) if defaults else (NO_DEFAULTS, [])
        if wrong:
            raise InvalidConfig(in_order(wrong))
    compiled = compile_tenant(text, file=name, defaults=defaults)
    if compiled.plan is None:
        raise InvalidConfig(compiled.problems)
    return compiled.plan


def find_tenant(path: str | Path, *, tenant: str) -> TenantPlan:
    """Compile one tenant of a folder, reading no more than it must.

    The file ``<tenant>.yaml`` is tried first, so a worker's cost does not grow with the folder;
    a file of another name is looked for among all. What tenants may not share is not judged here.

    :raises InvalidConfig: if the tenant's file, or ``_defaults.yaml``, is broken
    :raises ConfigurationError: if no file names that tenant
    """
    folder = Path(path)
    defaults, wrong = _defaults(folder)
    if wrong:
        raise InvalidConfig(in_order(wrong))
    named = [folder / f"{tenant}{suffix}" for suffix in (".yaml", ".yml")]
    for file in chain((f for f in named if f.is_file()), tenant_files(folder)):
        text, problem = _text(file)
        if problem or tenant not in text:
            continue
        compiled = compile_tenant(text, file=str(file), defaults=defaults)
        if compiled.tenant == tenant:
            if compiled.plan is None:
                raise InvalidConfig(compiled.problems)
            return compiled.plan
    raise ConfigurationError(f"no file in {str(path)!r} describes a tenant {tenant!r}")


def tenant_files(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder that describe tenants, in the order of their names."""
    for file in sorted(folder.iterdir()):
        if file.suffix in (".yaml", ".yml") and not file.name.startswith(("_", ".")):
            yield file


def _defaults(folder: Path) -> tuple[Defaults, list[Problem]]:
    file = folder / FILE_NAME
    if not file.is_file():
        return NO_DEFAULTS, []
    text, problem = _text(file)
    if problem:
        return NO_DEFAULTS, [problem]
    return read_defaults(text, file=str(file))


def _text(file: Path) -> tuple[str, Problem | None]:
    """Read a file; a problem if that cannot be done."""
    try:
        if file.stat().st_size > MAX_BYTES:
            said = f"is larger than {MAX_BYTES // 2**20} MB; a tenant's YAML is not"
            return "", Problem(str(file), 1, 1, "", said)
        return file.read_text("utf-8-sig"), None
    except UnicodeDecodeError as error:
        said = f"is not UTF-8 (byte {error.start}); save it as UTF-8"
        return "", Problem(str(file), 1, 1, "", said)
    except OSError as error:
        return "", Problem(str(file), 1, 1, "", f"cannot be read: {error.strerror}")


def _folder(
    compiled: list[Compiled], found: dict[str, list[Problem]], defaults: Defaults
) -> Folder:
    for item in compiled:
        if item.problems:
            found[item.document.file] += item.problems
    for item, problem in twins(compiled):
        found[item.document.file].append(problem)
    alone = [item for item in compiled if item.document.file not in found]
    for item, problem in collisions(alone):
        found[item.document.file].append(problem)
    good = {
        item.plan.tenant: item
        for item in compiled
        if item.plan is not None and item.document.file not in found
    }
    names = sorted(good)
    return Folder(
        tenants={name: plan for name in names if (plan := good[name].plan)},
        problems=in_order(problem for problems in found.values() for problem in problems),
        texts={name: good[name].text for name in names},
        files={name: good[name].document.file for name in names},
        broken={file: in_order(problems) for file, problems in sorted(found.items())},
        defaults=defaults,
    )
