"""Webhooks in: what providers tell us, proven, kept as it came, and published once (port 8011)."""
