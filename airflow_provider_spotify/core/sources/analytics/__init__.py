"""Product analytics: events and reports."""
