"""The networks of C-RNN-GAN: an LSTM that makes one event after another, and a bidirectional LSTM that judges them."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

Events = Float[Tensor, "n steps event"]


class EventGenerator(nn.Module):
    """Makes events one by one: each from noise and from the event before it, which is zero at the beginning.

    Noise and event pass a dense layer with ReLU, the LSTM, and a dense layer that gives the next event (Mogren 2016,
    arXiv:1611.09904, section 3). The first dense layer is that of the author's code. Of its counts 1,967,354 parameters
    are with one bias per gate; PyTorch's LSTM has two, so that there are 1,970,154 with 4 numbers of noise, 4 of an
    event and 2 layers of 350 units.
    """

    def __init__(self, noise: int, event: int, units: int, layers: int) -> None:
        super().__init__()
        self.event = event
        self.into = nn.Linear(noise + event, units)
        self.lstm = nn.LSTM(units, units, layers, batch_first=True)
        self.out = nn.Linear(units, event)

    def forward(self, noise: Float[Tensor, "n steps noise"]) -> Events:
        """Return as many events as there are steps of noise, each made from those that were made before."""
        previous, state, made = noise.new_zeros(len(noise), 1, self.event), None, []
        for step in noise.split(1, dim=1):
            hidden, state = self.lstm(self._entered(step, previous), state)
            previous = self.out(hidden)
            made.append(previous)
        return torch.cat(made, dim=1)

    def following(self, noise: Float[Tensor, "n steps noise"], events: Events) -> Events:
        """Return what the generator makes after each of these events but the last, and before the first."""
        before = torch.cat([torch.zeros_like(events[:, :1]), events[:, :-1]], dim=1)
        return self.out(self.lstm(self._entered(noise, before))[0])

    def _entered(self, noise: Tensor, events: Tensor) -> Tensor:
        return F.relu(self.into(torch.cat([noise, events], dim=2)))


class EventDiscriminator(nn.Module):
    """Judges a sequence: a bidirectional LSTM, then one dense layer for every step, whose probabilities are averaged.

    Mogren 2016, arXiv:1611.09904, section 3. The second layer of PyTorch's LSTM sees both directions of the first, in
    the author's code each direction is a stack of its own: 3,943,101 parameters here, 2,957,501 there (one bias per
    gate), with 4 numbers of an event and 2 layers of 350 units.
    """

    def __init__(self, event: int, units: int, layers: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(event, units, layers, batch_first=True, bidirectional=True)
        self.out = nn.Linear(2 * units, 1)

    def forward(self, events: Events) -> tuple[Float[Tensor, " n"], Float[Tensor, "n steps features"]]:
        """Return the logit of the mean probability over the steps, and the features before the dense layer."""
        features, _ = self.lstm(events)
        logits = self.out(features).squeeze(2)
        steps = math.log(logits.shape[1])
        real, fake = (F.logsigmoid(sign * logits).logsumexp(dim=1) - steps for sign in (1, -1))
        return real - fake, features
