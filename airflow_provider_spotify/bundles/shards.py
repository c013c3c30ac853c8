"""Renders a folder of tenant YAML as DAG files: a few tenants in each, their YAML embedded."""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence

_LOADER = "airflow_provider_spotify.dag_factory"


def render(
    texts: Mapping[str, str], *, defaults: str, broken: Mapping[str, Sequence[str]], size: int
) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each DAG file; the same input gives the same files.

    :param texts: tenant -> YAML, of every tenant that compiles
    :param defaults: the YAML of ``_defaults.yaml``, empty if there is none
    :param broken: file name -> what is wrong with it; each gets a file of its own that raises
    :param size: how many tenants a file holds at most on average
    """
    shards = _spread(sorted(texts), size=size)
    for number, names in sorted(shards.items()):
        chosen = {name: texts[name] for name in names}
        yield f"tenants_{number:04d}.py", _shard(chosen, defaults=defaults)
    for name, problems in sorted(broken.items()):
        yield f"broken_{_slug(name)}.py", _broken(name, problems=problems)


def literal(text: str) -> str:
    """Write a text as Python source that reads as the text does, so the Code tab shows the YAML."""
    # Quotes stay as they are, but for those that would end the literal.
    body = re.sub(r'"(?=""|"?\Z)', r"\"", text.replace("\\", "\\\\"))
    body = re.sub(r"[^\n\t\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", _escape, body)
    source = f'"""\\\n{body}"""'
    assert ast.literal_eval(source) == text
    return source


def _spread(names: Sequence[str], *, size: int) -> dict[int, list[str]]:
    """Deal names to shards by their hash.

    The number of shards is a power of two: a new tenant changes one file, and when the folder
    outgrows the shards each splits in two and half of its tenants stay where they are.
    """
    count = 1
    while count * size < len(names):
        count *= 2
    shards: dict[int, list[str]] = {}
    for name in names:
        digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
        shards.setdefault(int.from_bytes(digest, "big") % count, []).append(name)
    return shards


def _shard(texts: Mapping[str, str], *, defaults: str) -> str:
    names = ", ".join(texts)
    entries = "".join(f'TENANTS["{name}"] = {literal(text)}\n\n' for name, text in texts.items())
    return (
        f'"""Airflow DAGs of {_plain(names)}. Rendered by TenantBundle; edit the YAML."""\n\n'
        "from __future__ import annotations\n\n"
        f"from {_LOADER} import load_texts\n\n"
        "TENANTS: dict[str, str] = {}\n\n"
        f"{entries}"
        f"DEFAULTS = {literal(defaults)}\n\n"
        "load_texts(globals(), texts=TENANTS, defaults=DEFAULTS)\n"
    )


def _broken(name: str, *, problems: Sequence[str]) -> str:
    listed = "\n".join(problems)
    return (
        f'"""Airflow shows why {_plain(name)} gives no DAGs. Rendered by TenantBundle."""\n\n'
        "from __future__ import annotations\n\n"
        "from airflow_provider_spotify.core.errors import ConfigurationError\n\n"
        f"PROBLEMS = {literal(listed)}\n\n"
        "raise ConfigurationError(PROBLEMS)\n"
    )


def _slug(name: str) -> str:
    """Return a module name; the hash keeps apart what the letters alone would not."""
    letters = re.sub(r"\W", "_", name.rpartition(".")[0])[:80]
    if letters == name.rpartition(".")[0]:
        return letters
    return f"{letters}_{hashlib.blake2b(name.encode(), digest_size=3).hexdigest()}"


def _plain(name: str) -> str:
    return re.sub(r"[^\w., -]", "_", name)


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()
