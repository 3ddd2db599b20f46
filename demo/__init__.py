"""A recorded incident, replayed through the real daemon: `python -m demo`."""
