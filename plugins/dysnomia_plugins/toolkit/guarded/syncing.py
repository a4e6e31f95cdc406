"""What was written goes to the disk while something else is done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from dysnomia_plugins.toolkit.guarded.libc import sync_file_system


@contextmanager
def syncing(descriptors: Sequence[int]) -> Iterator[None]:
    """While the body runs, which only reads, what was written before goes to the disks that these open folders are on.

    To wait for a disk takes no processor time, and a body that needs it costs no time besides. The descriptors are in
    use until the body has ended, however it does. Raises OSError where a disk did not take it all, whatever the body
    raised."""
    with ThreadPoolExecutor(1, thread_name_prefix="sync") as thread:
        under_way = [thread.submit(sync_file_system, descriptor) for descriptor in descriptors]
        try:
            yield
        finally:
            for one in under_way:
                one.result()
