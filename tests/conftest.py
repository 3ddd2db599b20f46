"""What all tests need of the process that runs them."""

import os
import signal

signal.signal(signal.SIGINT, signal.default_int_handler)
# A shell that starts the tests in the background ignores SIGINT, and so would all programs that they interrupt.

# The configuration file of whoever runs the tests is none of theirs.
os.environ["XDG_CONFIG_HOME"] = "/nonexistent"
