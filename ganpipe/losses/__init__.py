"""Losses as pure functions of logits, images and critics; `(real, fake)` is the order everywhere."""
