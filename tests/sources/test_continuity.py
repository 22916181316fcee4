"""Which pictures are whole, told from packets and coded pictures alone."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from edge_segnet.sources import units
from edge_segnet.sources.continuity import Continuity
from edge_segnet.sources.units import Unit

KEY, DELTA = Unit(key=True), Unit(key=False)
NONE = Unit(key=False, pictured=False)


def fed(script: Sequence[tuple[int, bool, int, Unit | None]]) -> tuple[Continuity, list[int]]:
    """(sequence number, marker, time, the picture that this packet completes); the times of those that are whole."""
    stream, good = Continuity(), []
    for seq, marker, pts, unit in script:
        stream.packet(seq, marker, pts)
        if unit is not None and stream.unit(unit, pts):
            good.append(pts)
    return stream, good


def test_nothing_is_lost() -> None:
    stream, good = fed([(65535, True, 0, KEY), (0, False, 1, None), (1, True, 1, DELTA)])
    assert good == [0, 1] and stream.damaged == 0, "sequence numbers go round"


def test_what_follows_a_loss_is_damaged_until_the_next_key() -> None:
    stream, good = fed(
        [(1, True, 0, KEY), (3, True, 1, DELTA), (4, True, 2, DELTA), (5, True, 3, KEY), (6, True, 4, DELTA)]
    )
    assert good == [0, 3, 4] and stream.damaged == 2


def test_a_key_with_a_hole_heals_nothing() -> None:
    torn = [(1, True, 0, KEY), (2, False, 1, None), (4, True, 1, KEY), (5, True, 2, DELTA), (6, True, 3, KEY)]
    stream, good = fed(torn)
    assert good == [0, 3] and stream.damaged == 2


def test_a_key_whose_end_is_lost_heals_nothing() -> None:
    """The next picture's first packet tells of the loss; only then the key comes out."""
    stream, _ = fed([(1, True, 0, KEY), (2, False, 1, None)])
    stream.packet(4, False, 2)
    assert not stream.unit(KEY, 1)
    assert stream.broken and stream.damaged == 1


def test_a_whole_picture_is_lost_just_before_a_key() -> None:
    assert fed([(1, True, 0, KEY), (3, True, 2, KEY)])[1] == [0, 2]
    headless = Unit(key=True, starts=False)
    assert fed([(1, True, 0, KEY), (3, True, 2, headless), (4, True, 3, KEY)])[1] == [0, 3]


def test_joining_in_the_middle_is_not_damage() -> None:
    stream, good = fed([(7, True, 0, DELTA), (8, True, 1, DELTA), (9, True, 2, KEY), (10, True, 3, DELTA)])
    assert good == [2, 3] and stream.damaged == 0


def test_an_entry_that_is_no_key() -> None:
    """Open groups of pictures: those that lead the entry refer to what was not seen."""
    entry, leading = Unit(key=False, recovery=0), Unit(key=False)
    stream, good = fed([(7, True, 0, DELTA), (8, True, 40, entry), (9, True, 20, leading), (10, True, 60, DELTA)])
    assert good == [40, 60] and not stream.broken


def test_a_gradual_refresh_takes_its_time() -> None:
    refresh = Unit(key=False, recovery=3)
    script = [(1, True, 0, KEY), (3, True, 1, refresh), *((seq, True, seq - 2, DELTA) for seq in range(4, 9))]
    stream, good = fed(script)
    assert good == [0, 4, 5, 6] and stream.damaged == 3


def test_the_decoder_says_so() -> None:
    stream, _ = fed([(1, True, 0, KEY), (2, True, 1, DELTA)])
    stream.lose()
    assert not stream.unit(DELTA, 2) and stream.unit(KEY, 3)
    stream.corrupt(3)
    stream.corrupt(3)
    assert not stream.whole(3) and stream.damaged == 2


def test_parameter_sets_are_no_pictures() -> None:
    stream, good = fed([(1, True, 0, NONE), (2, True, 0, KEY)])
    assert good == [0, 0] and stream.damaged == 0


def bits(text: str) -> bytes:
    padded = text.replace(" ", "") + "1"
    return int(padded.ljust(-(-len(padded) // 8) * 8, "0"), 2).to_bytes(-(-len(padded) // 8), "big")


@pytest.mark.parametrize(
    ("nals", "expected"),
    [
        ([b"\x65\x88"], Unit(key=True, reference=True)),
        ([b"\x67\x64", b"\x68\xee", b"\x65\x88"], Unit(key=True, reference=True)),
        ([b"\x41\x9a"], Unit(key=False, reference=True)),
        ([b"\x01\x9a"], Unit(key=False, reference=False)),
        ([b"\x41\x42"], Unit(key=False, reference=True, starts=False)),
        ([b"\x67\x64"], Unit(key=False, reference=False, starts=False, pictured=False)),
        # A recovery point of 3 pictures: ue(3) is 00100.
        ([b"\x06\x06\x01" + bits("00100"), b"\x41\x9a"], Unit(key=False, recovery=3, reference=True)),
        ([b"\x06\x05\x02ab\x06\x01" + bits("1"), b"\x41\x9a"], Unit(key=False, recovery=0, reference=True)),
    ],
)
@pytest.mark.parametrize("length_size", [0, 4, 2])
def test_h264(nals: list[bytes], expected: Unit, length_size: int) -> None:
    start = b"\x00\x00\x01"
    data = b"".join((len(nal).to_bytes(length_size, "big") if length_size else start) + nal for nal in nals)
    assert units.h264(data, length_size) == expected


@pytest.mark.parametrize(
    ("kind", "key", "recovery", "leading"),
    [
        (19, True, None, False),
        (21, False, 0, False),
        (16, False, 0, False),
        (8, False, None, True),
        (1, False, None, False),
    ],
)
def test_h265(kind: int, key: bool, recovery: int | None, leading: bool) -> None:
    data = b"\x00\x00\x00\x01" + bytes([kind << 1, 1, 0x80])
    assert units.h265(data, 0) == Unit(key, recovery, leading=leading)


def test_nonsense_is_no_picture() -> None:
    for data in (b"", b"\x00\x00\x01", b"\x00\x00\x01\x06\xff\xff", b"\xff" * 100, b"\x00\x00\x01\x06\x06"):
        assert not units.h264(data, 0).pictured
        assert not units.mpeg4(data).pictured
        assert not units.h265(data, 0).key
        units.h264(data, 4)
