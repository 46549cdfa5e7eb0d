"""The columns of a sequence that is music: one row for each tone, as C-RNN-GAN has them. No torch, no numpy."""

from __future__ import annotations

from ganpipe.core.spec import Field

TONE = ("length in quarters", "pitch of MIDI", "intensity", "wait in quarters")
"""The names of the columns: length in quarter notes, pitch 0..127, intensity 1..127, and the time in quarter notes
since the tone before it began, 0 for tones that begin together."""

LENGTH, PITCH, INTENSITY, WAIT = range(len(TONE))
"""The places of the columns."""


def holds_tones(field: Field) -> bool:
    """Return whether the rows of a field are windows of tones."""
    return field.kind == "sequence" and field.names == TONE
