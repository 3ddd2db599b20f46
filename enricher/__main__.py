"""The command line, as `python -m enricher`."""

import sys

from enricher.cli.main import main

sys.exit(main())
