"""Whether a snapshot was made here: decides the privilege it is loaded with."""

from __future__ import annotations

from dysnomia_store import StoredSnapshot
from dysnomia_store.model import Generation
from dysnomia_store.store import Store

TRUSTED_TAG = "trusted"
"""The mark by which an operator trusts an imported generation; marks are recorded with who set them."""


def made_here(store: Store, generation: Generation) -> bool:
    """True where a job of this very store made it, or an operator said that it may be trusted.

    What came from elsewhere (an import, a copied folder, another tool) is untrusted input until then.
    """
    if TRUSTED_TAG in generation.marks.tags:
        return True
    metadata = generation.metadata
    return bool(metadata and store.id and metadata.origin == store.id and generation.job)


def monotonic_times(store: Store, generation: Generation, stored: StoredSnapshot) -> StoredSnapshot:
    """What may be believed of a snapshot: of one from elsewhere, its bytes, and not what it says was around it."""
    return stored if made_here(store, generation) else stored.without_surroundings()
