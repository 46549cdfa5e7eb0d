"""The table of classes."""

from __future__ import annotations

from pathlib import Path

from ganpipe.metrics.per_class import write_per_class


def test_classes_with_shares_and_what_was_asked_for(tmp_path: Path) -> None:
    shares = {"cat, grey": {"real": 0.25, "fake": 0.5}, "dog": {"real": 0.75, "fake": 0.5}}
    write_per_class(tmp_path / "a.csv", shares, {"dog": 0.125})
    assert (tmp_path / "a.csv").read_bytes() == (
        b'class,real_share,fake_share,conditional_accuracy\n"cat, grey",0.25,0.5,\ndog,0.75,0.5,0.125\n'
    )
    write_per_class(tmp_path / "a.csv", {}, {})
    assert (tmp_path / "a.csv").read_text() == "class,real_share,fake_share,conditional_accuracy\n"
