"""C-RNN-GAN: music tone by tone, by recurrent networks."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from ganpipe.core.batch import Batch, batch_size
from ganpipe.core.spec import DataSpec
from ganpipe.core.system import Iteration, System, Terms, Update, Updates
from ganpipe.core.tones import INTENSITY, LENGTH, PITCH, TONE, WAIT, holds_tones
from ganpipe.errors import ConfigError
from ganpipe.losses.adversarial import OBJECTIVES
from ganpipe.nets.tones import EventDiscriminator, EventGenerator
from ganpipe.systems.configs import c_rnn_gan as config

_USUAL = (0.75, 62.0, 80.0, 0.25)  # of each column of a tone: what the networks see as 0
_SPREAD = (0.5, 9.0, 16.0, 0.5)  # and how far from it they see as 1

Tones = Float[Tensor, "n tones 4"]


class CRNNGAN(System):
    """C-RNN-GAN (Mogren 2016, arXiv:1611.09904): LSTMs on windows of tones, first by the next tone, then as a GAN.

    The players are those of section 3; 1 to `tones_per_step` consecutive tones are one event. Weight decay and learning
    rates are those of params.yaml (the paper: SGD with 0.1, L2 on both players).
    Deviations: the networks see each column of a tone less a usual value, divided by a usual spread (the author's code:
    Hz and ticks as they are). Feature matching is the mean square over all features (the paper: their sum);
    `mean_matching` compares the means over the batch (Salimans et al. 2016, arXiv:1606.03498, section 3.1), where the
    paper's pairs of unrelated windows also punish all variety. The rule of freezing compares the mean of -log D(x) and
    -log(1 - D(G(z))) with -log D(G(z)), equal at balance, whatever the generator learns by: its own loss may be
    negative, and a sum of two terms is the larger one. Where the paper has up to three tones per step, a step has
    exactly as many, in the order of the data. The length for pre-training is a function of the windows shown; after it
    the optimizer is fresh, and learning rates may be others.
    """

    Config = config.Config
    outputs = {"notes": "notes"}
    last_losses: Float[Tensor, 2]
    cfg: config.Config

    def __init__(self, cfg: config.Config, data: DataSpec) -> None:
        super().__init__(cfg, data)
        notes = data.field("notes", "sequence", "c_rnn_gan")
        if not holds_tones(notes) or notes.shape[0] != cfg.tones:
            found = f"{notes.shape[0]} steps of {', '.join(notes.names) or f'{notes.shape[1]} columns'}"
            raise ConfigError(
                f"system.tones = {cfg.tones}: c_rnn_gan needs windows of so many tones ({', '.join(TONE)}), but "
                f"data.name = {data.name!r} has {found}"
            )
        self.adversarial = OBJECTIVES["minimax" if cfg.objective == "minimax" else "non_saturating"]
        event = cfg.tones_per_step * len(TONE)
        self.generator = EventGenerator(cfg.latent, event, cfg.units, cfg.lstm_layers)
        self.discriminator = EventDiscriminator(event, cfg.units_discriminator, cfg.lstm_layers)
        self.register_buffer("last_losses", torch.ones(2))  # of the discriminator and of the generator

    @property
    def ideal(self) -> Mapping[str, float]:
        """The losses at balance; that of the generator is unknown where it matches features."""
        known = self.adversarial.ideal
        matches = self.cfg.objective in ("feature_matching", "mean_matching")
        return {"loss_discriminator": known["loss_discriminator"]} if matches else known

    def updates(self, it: Iteration) -> Updates:
        """A step of the generator by the next tone; from `pretrain_kimg` on one of each player that need not wait."""
        batch = it.next_batch()
        if it.kimg < self.cfg.pretrain_kimg:
            yield Update("generator", lambda part: self.next_tone_loss(part, self.shown_tones(it.kimg)), batch)
            return
        if it.reaches(self.cfg.pretrain_kimg):
            it.restart("generator")
        moves, lr = self.moves(0), self.cfg.adversarial_lr
        judged = yield Update("discriminator", self.discriminator_loss, batch, moves * lr)
        self.last_losses[0] = it.average(torch.stack([*judged.terms.values()]).mean())
        it.log(self.adversarial.scores(judged.tensors["real"], judged.tensors["fake"]))
        it.log({"waits_discriminator": torch.tensor(1 - moves)})
        moves = self.moves(1)
        fooled = yield Update("generator", self.generator_loss, batch, moves * lr)
        self.last_losses[1] = it.average(fooled.tensors["surprise"].mean())
        it.log({"waits_generator": torch.tensor(1 - moves)})

    def shown_tones(self, kimg: float) -> int:
        """Return from how many tones of each window the generator learns in pre-training."""
        return min(self.cfg.tones, self.cfg.shortest * (1 + int(kimg / self.cfg.lengthen_kimg)))

    def moves(self, player: int) -> float:
        """Return 0 for a player (0: the discriminator) that waits: its last loss is too small beside the other's."""
        return float(self.last_losses[player] >= self.cfg.freeze_below * self.last_losses[1 - player])

    def next_tone_loss(self, batch: Batch, tones: int) -> Terms:
        """The mean square of the difference between each tone and what is made after those before it, section 4."""
        events = self.events(batch["notes"][:, :tones])
        noise = self.draw("latent", batch_size(batch))[:, : events.shape[1]]
        return {"next_tone": F.mse_loss(self.generator.following(noise, events), events)}

    def discriminator_loss(self, batch: Batch) -> tuple[Terms, Batch]:
        """-log D(x) - log(1 - D(G(z))), section 3."""
        with torch.no_grad():
            made = self.generator(self.draw("latent", batch_size(batch)))
        (real, _), (fake, _) = self.discriminator(self.events(batch["notes"])), self.discriminator(made)
        return self.adversarial.discriminator(real, fake), {"real": real, "fake": fake}

    def generator_loss(self, batch: Batch) -> tuple[Terms, Batch]:
        """The chosen objective, section 3; also -log D(G(z)) of each item, which the rule of freezing looks at."""
        logits, features = self.discriminator(self.generator(self.draw("latent", batch_size(batch))))
        surprise = {"surprise": F.softplus(-logits)}
        if self.cfg.objective in ("minimax", "non_saturating"):
            return self.adversarial.generator(None, logits), surprise
        with torch.no_grad():
            _, wanted = self.discriminator(self.events(batch["notes"]))
        if self.cfg.objective == "mean_matching":
            features, wanted = features.mean(dim=0), wanted.mean(dim=0)
        return {"features": F.mse_loss(features, wanted)}, surprise

    def generate(self, inputs: Batch) -> dict[str, Tones]:
        """Make windows of tones. What is drawn, not what is trained on, is rounded to tones that MIDI can hold."""
        made = self.generator(inputs["latent"]).reshape(-1, self.cfg.tones, len(TONE))
        tones = made * made.new_tensor(_SPREAD) + made.new_tensor(_USUAL)
        tick, times = 1 / self.cfg.ticks, (tones[..., [LENGTH, WAIT]] * self.cfg.ticks).round() / self.cfg.ticks
        columns = {
            LENGTH: times[..., 0].clamp(min=tick),
            PITCH: tones[..., PITCH].round().clamp(0, 127),
            INTENSITY: tones[..., INTENSITY].round().clamp(1, 127),
            WAIT: times[..., 1].clamp(min=0),
        }
        return {"notes": torch.stack([columns[place] for place in range(len(TONE))], dim=2)}

    def realness(self, batch: Batch) -> Float[Tensor, " n"] | None:
        """Return the logit of D."""
        logits: Tensor = self.discriminator(self.events(batch["notes"]))[0]
        return logits

    def events(self, tones: Tones) -> Float[Tensor, "n steps event"]:
        """Return tones as the networks see them, `tones_per_step` to a step."""
        seen = (tones - tones.new_tensor(_USUAL)) / tones.new_tensor(_SPREAD)
        return seen.reshape(len(seen), -1, self.generator.event)
