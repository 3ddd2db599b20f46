"""What all tests need of the process that runs them."""

import os
import signal

from hypothesis import HealthCheck, settings

signal.signal(signal.SIGINT, signal.default_int_handler)
# A shell that starts the tests in the background ignores SIGINT, and so would all programs that they interrupt.

# The configuration file of whoever runs the tests is none of theirs.
os.environ["XDG_CONFIG_HOME"] = "/nonexistent"

# How long an example takes says more of the machine than of the program.
UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("default", UNTIMED, max_examples=30)
settings.register_profile("long", UNTIMED, max_examples=5000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
