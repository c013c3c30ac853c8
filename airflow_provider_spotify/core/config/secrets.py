"""Finds secrets written into YAML, by the name of their key or by their looks."""

from __future__ import annotations

import re
from collections.abc import Iterator

from airflow_provider_spotify.core.config.document import Document, Node
from airflow_provider_spotify.core.config.problems import KeyPath, Problem

_EXACT = frozenset(
    (
        "accesskey",
        "accountkey",
        "apitoken",
        "authorization",
        "authtoken",
        "basicauth",
        "bearer",
        "bearertoken",
        "clientkey",
        "connectionstring",
        "cookie",
        "credentials",
        "dsn",
        "encryptionkey",
        "jwt",
        "masterkey",
        "proxyauthorization",
        "pwd",
        "sastoken",
        "secretkey",
        "sessiontoken",
        "setcookie",
        "signingkey",
        "token",
    )
)
_ENDINGS = (
    "password",
    "passwd",
    "passphrase",
    "secret",
    "apikey",
    "privatekey",
    "accesstoken",
    "refreshtoken",
    "secretaccesskey",
)
_LOOKS = re.compile(
    r"""
      -----BEGIN\ [A-Z ]*PRIVATE\ KEY-----
    | \b(?:ghp|gho|ghu|ghs|ghr)_[A-Za-z0-9]{30,}        # GitHub
    | \bgithub_pat_[A-Za-z0-9_]{30,} | \bglpat-[\w-]{15,}
    | \b(?:AKIA|ASIA)[0-9A-Z]{16}\b                     # AWS
    | \bAIza[\w-]{30,} | \bya29\.[\w-]{20,}             # Google
    | \bxox[abeprs]-[\w-]{10,} | hooks\.slack\.com/services/\w+
    | \b[sr]k_(?:live|test)_\w{16,} | \bsk-[\w-]{20,}   # Stripe, OpenAI
    | \bdapi[0-9a-f]{32}\b | \bnpm_[A-Za-z0-9]{30,} | \bpypi-[\w-]{30,}
    | \beyJ[\w-]{8,}\.eyJ[\w-]{8,}                      # JSON Web Token
    | \b(?:Bearer|Basic)\ [A-Za-z0-9+/=._~-]{12,}
    | \b[a-z][a-z0-9+.-]*://[^\s/:@{}]*:[^\s/@{}]+@     # a URI with a password
    | [?&](?:api_?key|access_?token|auth|token|secret|password|passwd|pwd|sig)=[^&\s{}]{4,}
    | (?i:\b(?:password|pwd|secret|accountkey|sharedaccesskey)=[^\s;{}"']{4,})
    """,
    re.VERBOSE,
)
_HINTS = (
    *(
        "-----begin",
        "ghp_",
        "gho_",
        "ghu_",
        "ghs_",
        "ghr_",
        "github_pat_",
        "glpat-",
        "akia",
        "asia",
    ),
    *("aiza", "ya29.", "xox", "hooks.slack.com", "k_live_", "k_test_", "sk-", "dapi", "npm_"),
    *("pypi-", "eyj", "bearer ", "basic ", "://", "key=", "token=", "auth=", "secret=", "pwd="),
    *("password=", "passwd=", "sig="),
)
"""Words without which nothing looks like a secret: finding none is 50 times faster (2026-11)."""
_MESSAGE = (
    "a secret may not stand in YAML (its value is not repeated here): store it in an Airflow "
    "connection <tenant>__<system>, name that under connection:, and replace this secret, "
    "as it has been in a file"
)


def looks_secret(text: str) -> bool:
    """Say whether a text holds what looks like a token, a private key or a password."""
    return _search(text) is not None


def _search(text: str) -> re.Match[str] | None:
    lowered = text.lower()
    if not any(hint in lowered for hint in _HINTS):
        return None
    return _LOOKS.search(text)


def names_secret(key: str) -> bool:
    """Say whether a key is one under which secrets are kept, as ``api_key`` is."""
    bare = re.sub(r"[^a-z0-9]", "", key.lower())
    return bare in _EXACT or bare.endswith(_ENDINGS)


def literal_secrets(document: Document, text: str) -> list[Problem]:
    """Report every secret that stands in a document, comments included; repeat none of them."""
    hit = _search(text)
    problems = [
        document.problem(path, _MESSAGE, value=True)
        for path, node in _texts(document.root, ())
        if _named(path, node) or (hit and looks_secret(node.data))
    ]
    if hit and not problems:
        line = text.count("\n", 0, hit.start()) + 1
        column = hit.start() - text.rfind("\n", 0, hit.start())
        said = "this line (a comment, perhaps) holds what looks like a secret; remove it"
        problems.append(Problem(document.file, line, column, "", said))
    return problems


def _texts(node: Node, path: KeyPath) -> Iterator[tuple[KeyPath, Node]]:
    """Walk every text of a document with its path."""
    if isinstance(node.data, str):
        yield path, node
    for step, child in node.children.items():
        if child.children or isinstance(child.data, str):
            yield from _texts(child, (*path, step))


def _named(path: KeyPath, node: Node) -> bool:
    names = [step for step in path if isinstance(step, str)]
    return bool(node.data) and bool(names) and names_secret(names[-1])
