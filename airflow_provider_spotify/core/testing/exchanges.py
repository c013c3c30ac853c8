"""Records the HTTP exchanges of a test once, and replays them in every later run.

::

    with recorded(Path("exchanges")):         # once, with the system at hand
        run_import(...)

    with replayed(Path("exchanges")):         # from then on, without network
        run_import(...)

The files hold no credentials; ``spotify-imports run --record DIR`` writes the same.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from airflow_provider_spotify.core.clients.http.record import Recorder
from airflow_provider_spotify.core.clients.http.replay import NotRecorded, Player
from airflow_provider_spotify.core.clients.http.scrub import PERSONAL
from airflow_provider_spotify.core.clients.http.tape import running

__all__ = ["NotRecorded", "recorded", "replayed"]


@contextmanager
def recorded(folder: Path, *, personal: Iterable[str] = PERSONAL) -> Iterator[Recorder]:
    """Write down every exchange of this process, scrubbed.

    :param folder: is made; must be empty
    :param personal: words in the names of fields whose values are replaced
    """
    tape = Recorder(folder, personal=personal)
    with running(tape):
        yield tape


@contextmanager
def replayed(folder: Path, *, ignore: Collection[str] = ()) -> Iterator[Player]:
    """Answer every request of this process from a recording; nothing reaches the network.

    :param ignore: parameters that may differ from the recording, such as the current time
    :raises NotRecorded: from the import, at a request that was not recorded
    """
    tape = Player(folder, ignore=ignore)
    with running(tape):
        yield tape
