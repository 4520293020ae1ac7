"""This machine's randomness, as ids."""

import os
import uuid
from concurrent.futures import ThreadPoolExecutor

from riskrelay.local.ids import SystemIds


def test_uuids_have_their_version_and_variant() -> None:
    """RFC 9562 §5.4 and §5.7; in the canonical form."""
    ids = SystemIds()
    for version, made in ((4, ids.uuid), (7, ids.ordered_uuid)):
        for text in (made() for _ in range(1_000)):
            read = uuid.UUID(text)
            assert (str(read), read.version, read.variant) == (text, version, uuid.RFC_4122)


def test_all_are_different_from_whatever_thread() -> None:
    """Also while random bits are drawn for many at once."""
    ids = SystemIds()
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _: [ids.uuid() for _ in range(2_000)], range(8)))
    assert len({text for part in made for text in part}) == 16_000


def test_a_forked_process_makes_others() -> None:
    """A forked process inherits the generator's memory, and draws new ids nevertheless."""
    ids = SystemIds()
    ids.uuid()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, "\n".join(ids.uuid() for _ in range(300)).encode())
        os._exit(0)
    mine = {ids.uuid() for _ in range(300)}
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        theirs = set(pipe.read().decode().split("\n"))
    os.waitpid(child, 0)
    assert len(theirs) == 300
    assert not mine & theirs


def test_ordered_ones_sort_by_their_millisecond() -> None:
    """So that new rows stand behind older ones in an index."""
    ids = SystemIds()
    made = [ids.ordered_uuid() for _ in range(5_000)]
    assert [text[:13] for text in made] == sorted(text[:13] for text in made)
