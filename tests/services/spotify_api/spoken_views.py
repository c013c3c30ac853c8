"""The JSON of shows, episodes, audiobooks and chapters, as an app of either mode sees it."""

from __future__ import annotations

from tests.services.spotify_api.catalogue import MARKETS
from tests.services.spotify_api.spoken import AUDIOBOOK_MARKETS, Episode, Show
from tests.services.spotify_api.views import Json, Views


class SpokenViews:
    """Builds objects for one request.

    :param heard: the request acts for a user, whose place in an episode is told
    """

    def __init__(self, views: Views, *, heard: bool) -> None:
        self.views = views
        self.heard = heard

    def simple_show(self, show: Show) -> Json:
        """Return a show without its episodes."""
        lost = {"available_markets": list(MARKETS), "publisher": show.publisher}
        return {
            **self.views.named("show", show.id, show.name),
            **_texts(show.name),
            "copyrights": [],
            "explicit": False,
            "images": self.views.images(show.id),
            "is_externally_hosted": False,
            "languages": ["en"],
            "media_type": "audio",
            "total_episodes": len(show.episodes),
            **({} if self.views.development else lost),
        }

    def show(self, show: Show) -> Json:
        """Return a full show with the first page of its episodes."""
        found = [self.simple_episode(each) for each in show.episodes[:50]]
        page = self._page(f"shows/{show.id}/episodes", found, show)
        return {**self.simple_show(show), "episodes": page}

    def simple_episode(self, episode: Episode) -> Json:
        """Return an episode as it stands in a show."""
        return {
            **self.views.named("episode", episode.id, episode.name),
            **_texts(episode.name),
            "audio_preview_url": None,
            "duration_ms": episode.duration_ms,
            "explicit": False,
            "images": self.views.images(episode.id),
            "is_externally_hosted": False,
            "is_playable": True,
            "language": "en",
            "languages": ["en"],
            "release_date": episode.release_date,
            "release_date_precision": "day",
            **self._resume(episode),
        }

    def full_episode(self, show: Show, episode: Episode) -> Json:
        """Return an episode with its show."""
        return {**self.simple_episode(episode), "show": self.simple_show(show)}

    def simple_audiobook(self, book: Show) -> Json:
        """Return an audiobook without its chapters."""
        lost = {"available_markets": list(AUDIOBOOK_MARKETS), "publisher": book.publisher}
        return {
            **self.views.named("audiobook", book.id, book.name),
            **_texts(book.name),
            "authors": [{"name": each} for each in book.people],
            "narrators": [{"name": book.people[0]}],
            "copyrights": [],
            "edition": "Unabridged",
            "explicit": False,
            "images": self.views.images(book.id),
            "languages": ["English"],
            "media_type": "audio",
            "total_chapters": len(book.episodes),
            **({} if self.views.development else lost),
        }

    def audiobook(self, book: Show) -> Json:
        """Return a full audiobook with the first page of its chapters."""
        found = [self.chapter(each) for each in book.episodes[:50]]
        page = self._page(f"audiobooks/{book.id}/chapters", found, book)
        return {**self.simple_audiobook(book), "chapters": page}

    def chapter(self, chapter: Episode) -> Json:
        """Return a chapter; its type is ``episode``."""
        found = self.simple_episode(chapter)
        for name in ("is_externally_hosted", "language"):
            del found[name]
        lost = {} if self.views.development else {"available_markets": list(AUDIOBOOK_MARKETS)}
        return {**found, "chapter_number": chapter.number, **lost}

    def _resume(self, episode: Episode) -> Json:
        if not self.heard:
            return {}
        heard = episode.number % 3 == 0
        at = 0 if heard else episode.duration_ms // 2
        return {"resume_point": {"fully_played": heard, "resume_position_ms": at}}

    def _page(self, path: str, items: list[Json], show: Show) -> Json:
        href = f"{self.views.base}/{path}"
        return self.views.page(href, items, total=len(show.episodes), limit=50, offset=0)


def _texts(name: str) -> Json:
    said = f"About {name}"
    return {"description": said, "html_description": f"<p>{said}</p>"}
