"""A local server that keeps the Spotify Web API's contract over real HTTP.

``python -m tests.services.spotify_api --port 0 --mode development`` prints its base URL;
:class:`~tests.services.spotify_api.server.SpotifyServer` runs it in a thread of a test.
The catalogue is invented: names, numbers and ids come from a seed.
"""
