"""Fetches a Java server's jars with Maven, once; later runs find them in the cache."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.services.process import CACHE, alone, missing

_POM = """<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>tests</groupId><artifactId>{name}</artifactId><version>1</version>
<dependencies>{dependencies}</dependencies></project>"""
_DEPENDENCY = (
    "<dependency><groupId>{0}</groupId><artifactId>{1}</artifactId>"
    "<version>{2}</version></dependency>"
)


def jars(name: str, coordinates: Sequence[str]) -> Path:
    """Return a folder that holds the jars of ``group:artifact:version`` and all they need.

    Use it as class path ``folder/*``. Skips (in CI: fails) where Maven or its registry is missing.
    """
    digest = hashlib.blake2b("\0".join(coordinates).encode(), digest_size=6).hexdigest()
    folder = CACHE / f"{name}-{digest}"
    if not folder.is_dir() and shutil.which("mvn") is None:
        missing(f"{name} needs Maven (apt install maven)")
    with alone("maven") as cache, tempfile.TemporaryDirectory(dir=cache) as scratch:
        if folder.is_dir():
            return folder
        listed = "".join(_DEPENDENCY.format(*each.split(":")) for each in coordinates)
        pom = Path(scratch, "pom.xml")
        pom.write_text(_POM.format(name=name, dependencies=listed))
        fetched = Path(scratch, "jars")
        command = ["mvn", "-B", "-q", "-f", str(pom), "dependency:copy-dependencies"]
        done = subprocess.run(
            [*command, f"-DoutputDirectory={fetched}", "-DincludeScope=runtime"],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            missing(f"Maven could not fetch {name}: {(done.stdout + done.stderr)[-1000:]}")
        return fetched.rename(folder)
