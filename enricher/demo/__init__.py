"""A recorded incident, replayed through the real daemon: `python -m enricher.demo`."""
