"""The service is not part of the installed distribution: its tests find it where the repository keeps it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
