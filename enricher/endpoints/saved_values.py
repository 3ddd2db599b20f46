"""The values of which saved states consist, checked before they are used. Pure."""

from typing import Any

from enricher.endpoints.slices import MAX_NAME
from enricher.endpoints.tenure import BEGINNING, FOREVER


def check_list(value: object, size: int | None = None) -> list[Any]:
    """Return a list, of `size` items unless that is None. Raise ValueError for anything else."""
    if not isinstance(value, list) or (size is not None and len(value) != size):
        raise ValueError("a list is missing, or has another length")
    return value


def check_text(value: object, limit: int = MAX_NAME) -> str:
    """Return a printable text of at most `limit` characters. Raise ValueError for anything else."""
    if not isinstance(value, str) or len(value) > limit or not value.isprintable():
        raise ValueError("a name is missing, is too long or is not printable")
    return value


def check_integer(value: object, least: int, most: int) -> int:
    """Return an integer between two others, or one of them. Raise ValueError for anything else."""
    if type(value) is not int or not least <= value <= most:
        raise ValueError("a number is missing, or is out of range")
    return value


def check_time(value: object) -> int:
    """Return a time (ns). Raise ValueError for anything else."""
    return check_integer(value, BEGINNING, FOREVER)
