"""What all tests need of the process that runs them."""

import signal

signal.signal(signal.SIGINT, signal.default_int_handler)
# A shell that starts the tests in the background ignores SIGINT, and so would all programs that they interrupt.
