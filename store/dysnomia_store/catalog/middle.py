"""The median, by hand: the standard library's module statistics takes as long to import as a query of the store."""

from __future__ import annotations

from collections.abc import Collection


def median(values: Collection[float]) -> float:
    """The middle one, or the mean of the two in the middle. Of at least one value."""
    ordered, middle = sorted(values), len(values) // 2
    return (ordered[~middle] + ordered[middle]) / 2
