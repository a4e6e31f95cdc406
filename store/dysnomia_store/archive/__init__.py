"""Archives: generations of one store in one file, for another store."""

from dysnomia_store.archive.format import DIGEST, END, RECORD, head, padded

__all__ = ["DIGEST", "END", "RECORD", "head", "padded"]
