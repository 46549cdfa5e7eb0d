"""Losses as pure functions of logits, images and critics. Arguments come in the order `(real, fake)`."""
