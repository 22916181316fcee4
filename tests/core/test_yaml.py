"""Settings as text: every surprise of YAML is one line with file and line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_segnet.core.errors import SettingsError
from edge_segnet.core.yaml import MAX_BYTES, parse, read


def test_values_and_their_lines() -> None:
    document = parse("model: a\ncameras:\n  front:\n    rate: 5\n    on_off: [yes, 'no', ~, 1.5]\n", "c.yaml")
    assert document.data == {"model": "a", "cameras": {"front": {"rate": 5, "on_off": [True, "no", None, 1.5]}}}
    assert str(document.place(("cameras", "front", "rate"))) == "c.yaml:4: cameras.front.rate"
    assert str(document.place(("cameras", "front", "on_off", 1))) == "c.yaml:5: cameras.front.on_off[1]"
    assert str(document.place(("cameras", "front", "missing"))) == "c.yaml:3: cameras.front.missing"
    assert document.words[("cameras", "front", "on_off", 0)] == "yes"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("http:\n  port: 1:30\n", "c.yaml:2: http.port: 1:30 is no plain number"),
        ("http:\n  port: 010\n", "c.yaml:2: http.port: 010 is no plain number"),
        ("rate: .inf\n", "c.yaml:1: rate: .inf is no plain number"),
        ("rate: .nan\n", "c.yaml:1: rate: .nan is no plain number"),
        ("a: 1\nb: 2\na: 3\n", "c.yaml:3: a: stands twice: the first is in line 1"),
        ("x:\n  a: 1\n  a: 2\n", "c.yaml:3: x.a: stands twice: the first is in line 2"),
        ("a: &one 1\n", "c.yaml:1: a: an anchor, &one"),
        ("a: *one\n", "c.yaml:1: a: an alias, *one"),
        ("a: !!python/object/apply:os.system ['true']\n", "c.yaml:1: a: a tag, tag:yaml.org,2002:python/object"),
        ("a:\n  <<: {b: 1}\n", "c.yaml:2: a: << is not supported"),
        ("1: x\n", "c.yaml:1: the key 1 reads as 1"),
        ("on: x\n", "c.yaml:1: the key on reads as True"),
        ("[a, b]: x\n", "c.yaml:1: a key that is no word"),
        ("a: [1\n", "c.yaml:2: not YAML"),
        ("a: 1\n---\nb: 2\n", "c.yaml:2: a second document begins"),
        ("a: '\n", "c.yaml:2: not YAML"),
        ("a: \x00\n", "c.yaml: not YAML"),
        (f"a: {'9' * 5000}\n", "c.yaml:1: a: 9"),
        (f"a: 0.{'9' * 5000}\n", "c.yaml:1: a: 0."),
        ("a: 9223372036854775808\n", "c.yaml:1: a: 9223372036854775808 is too large a number"),
        ("a: -1.0e+400\n", "c.yaml:1: a: -1.0e+400 is too large a number"),
        (f"%YAML 1.{'9' * 5000}\n---\na: 1\n", "c.yaml: not YAML"),
        ('a: "\\UFFFFFFFF"\n', "c.yaml"),
    ],
)
def test_what_is_refused(text: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse(text, "c.yaml")
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["[" * 900, "{a: " * 900, "- " * 900, "a: " + "[" * 100_000])
def test_deep_nesting_is_refused_and_not_a_crash(text: str) -> None:
    with pytest.raises(SettingsError, match=r"nested more than 16 deep|not YAML"):
        parse(text, "c.yaml")


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    with pytest.raises(SettingsError, match=r"c\.yaml: No such file"):
        read(path)
    with pytest.raises(SettingsError, match="Is a directory"):
        read(tmp_path)
    path.write_bytes(b"")
    assert read(path).data == {}
    path.write_bytes(b"\xef\xbb\xbfmodel: a\n")
    assert read(path).data == {"model": "a"}
    path.write_bytes(b"model: a\nname: \xff\n")
    with pytest.raises(SettingsError, match=r"c\.yaml:2: not UTF-8"):
        read(path)
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(SettingsError, match="more than 262144 bytes"):
        read(path)
    os.mkfifo(tmp_path / "pipe.yaml")
    for device in (tmp_path / "pipe.yaml", Path("/dev/zero"), Path("/dev/null")):
        with pytest.raises(SettingsError, match="a pipe or a device, not a file"):
            read(device)
    with pytest.raises(SettingsError, match="no name that a file can have"):
        read(tmp_path / "a\0b")
    path.write_bytes(b"a" * 10_000_000)
    with pytest.raises(SettingsError, match="more than 262144 bytes"):
        read(path)


@given(st.text(alphabet=st.sampled_from(list("ab:-[]{}&*!|>'\"%@`#,?\n \t019.~<\0é")), max_size=60))
def test_any_text_is_data_or_one_line(text: str) -> None:
    try:
        parse(text, "c.yaml")
    except SettingsError as error:
        assert "\n" not in str(error)
