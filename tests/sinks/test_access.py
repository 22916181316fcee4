"""The rule of who needs a token, and the ways in which a token can be wrong."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from edge_segnet.core.errors import SettingsError
from edge_segnet.settings.sections import TokenCredential, TokenFile
from edge_segnet.sinks.access import MAX_TOKEN, MIN_TOKEN, is_loopback, load_token, same

GOOD = "0123456789abcdef"


def secret(path: Path, text: str | bytes) -> Path:
    """A file that only its owner reads."""
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(0o600)
    return path


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.8.9.1", "::1", "[::1]", "localhost", "LOCALHOST", "::ffff:127.0.0.1"]
)
def test_own_addresses_are_open(host: str) -> None:
    assert is_loopback(host)
    assert load_token(None, host, "http") is None


@pytest.mark.parametrize(
    "host",
    ["0.0.0.0", "::", "192.168.1.7", "robot.local", "::ffff:10.0.0.1", "localhost.evil.example", "127.0.0.1.nip.io"],
)
def test_other_addresses_need_a_decision(host: str) -> None:
    assert not is_loopback(host)
    with pytest.raises(SettingsError, match=r"rtsp\.auth is not set.*token_file.*auth: none") as caught:
        load_token(None, host, "rtsp")
    assert host in caught.value.message
    assert caught.value.exit_code == 2
    assert load_token("none", host, "rtsp") is None


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_a_token_comes_from_a_file_even_on_loopback(tmp_path: Path, ending: str) -> None:
    path = secret(tmp_path / "token", GOOD + ending)
    assert load_token(TokenFile(token_file=path), "127.0.0.1", "http") == GOOD


def test_a_token_comes_from_a_credential(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret(tmp_path / "token", GOOD)
    auth = TokenCredential(token_credential="token")
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(SettingsError, match="LoadCredential=token:"):
        load_token(auth, "0.0.0.0", "http")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert load_token(auth, "0.0.0.0", "http") == GOOD


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", f"0 characters, at least {MIN_TOKEN}"),
        (GOOD[:-1], f"15 characters, at least {MIN_TOKEN}"),
        ("a" * (MAX_TOKEN + 1), f"more than {MAX_TOKEN}"),
        ("a" * 100_000, f"more than {MAX_TOKEN}"),
        ("0123456789 abcdef", "no spaces"),
        (f"{GOOD}\n{GOOD}\n", "one line"),
        (b"0123456789abcde\xff", "letters, digits"),
        (b"0123456789abcdef\0", "letters, digits"),
    ],
)
def test_a_bad_token_is_named_without_being_shown(tmp_path: Path, content: str | bytes, says: str) -> None:
    path = secret(tmp_path / "token", content)
    with pytest.raises(SettingsError, match=says) as caught:
        load_token(TokenFile(token_file=path), "0.0.0.0", "http")
    assert "http.auth.token_file" in str(caught.value)
    assert str(path) in str(caught.value)
    assert "abcde" not in str(caught.value)


def test_a_token_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"No such file.*openssl rand -hex 32"):
        load_token(TokenFile(token_file=tmp_path / "token"), "0.0.0.0", "http")
    with pytest.raises(SettingsError, match="Is a directory"):
        load_token(TokenFile(token_file=tmp_path), "0.0.0.0", "http")
    with pytest.raises(SettingsError, match="is no file"):
        load_token(TokenFile(token_file=Path(os.devnull)), "0.0.0.0", "http")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SettingsError, match="is no file"):
        load_token(TokenFile(token_file=tmp_path / "pipe"), "0.0.0.0", "http")


def test_a_token_that_everyone_reads_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = secret(tmp_path / "token", GOOD)
    with caplog.at_level(logging.WARNING):
        load_token(TokenFile(token_file=path), "0.0.0.0", "http")
        assert caplog.records == []
        path.chmod(0o644)
        load_token(TokenFile(token_file=path), "0.0.0.0", "http")
    assert f"chmod o= {path}" in caplog.text
    assert GOOD not in caplog.text


def test_tokens_are_compared_as_a_whole() -> None:
    assert same(GOOD, GOOD)
    for wrong in ("", GOOD[:-1], GOOD + "0", GOOD.upper(), "ü" * 16, "\udcff"):
        assert not same(wrong, GOOD)
