"""An error is one line of bearable length, whatever stands in the names and values that it tells."""

from __future__ import annotations

from edge_segnet.core.errors import MAX_MESSAGE, InputError, SettingsError


def test_one_line() -> None:
    error = InputError("a\nb\x1b[31m\u2028c\ud800: gone", hint="d\r\ne")
    assert str(error) == "a b [31m c : gone: d  e"
    assert error.args == (error.message,)
    long = SettingsError("9" * 100_000 + " is too much", path="c.yaml", line=3)
    assert len(str(long)) < MAX_MESSAGE + 10
    assert str(long).startswith("c.yaml:3: 999") and str(long).endswith("is too much")
