"""Audio: streaming services and sound files."""
