"""Files: local, remote and in object stores."""
