"""Sources: one module each, in the families of the mission."""
