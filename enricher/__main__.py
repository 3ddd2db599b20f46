import sys

from enricher.cli import main

sys.exit(main())
