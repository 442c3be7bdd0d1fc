"""What every command prints alike."""

import json
import sys
from typing import Any


def print_json(value: Any) -> None:
    """JSON on stdout, and nothing else."""
    json.dump(value, sys.stdout, indent=2)
    sys.stdout.write("\n")
