"""CycleGAN: two translators between two sets of pictures without pairs."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from ganpipe.core.batch import Batch
from ganpipe.core.spec import DataSpec
from ganpipe.core.system import Iteration, System, Terms, Update, Updates
from ganpipe.errors import ConfigError
from ganpipe.losses.adversarial import OBJECTIVES
from ganpipe.nets.image_pool import ImagePool
from ganpipe.nets.layers import init_normal
from ganpipe.nets.patchgan import PatchGAN
from ganpipe.nets.translator import Translator
from ganpipe.systems.configs import cyclegan as config

_OTHER = {"a": "b", "b": "a"}


class CycleGAN(System):
    """CycleGAN (Zhu et al. 2017, arXiv:1703.10593), equation 3, with least squares and pools of made pictures.

    Both generators move in one step, then both discriminators, as in the authors' code. Deviations from it: with
    `train.lr_decay_from_kimg` the learning rate falls to 0 with the last picture (there the last epoch still has a
    hundredth of it), and both sets are shown in a shuffled order of their own (there b is drawn at random).
    `attention_weight`, off by default, gives both generators the mask of GANimation (arXiv:1807.09251), whose mean is a
    term of the loss: what does not need to change is copied.
    """

    Config = config.Config
    generators = ("translators",)
    adversaries = ("discriminators",)
    outputs = {"fake_b": "b", "fake_a": "a"}
    cfg: config.Config

    def __init__(self, cfg: config.Config, data: DataSpec) -> None:
        super().__init__(cfg, data)
        shapes = {name: data.image_shape(name, "cyclegan") for name in _OTHER}
        attention = cfg.attention_weight is not None
        if (cfg.identity_weight or attention) and shapes["a"][0] != shapes["b"][0]:
            option, off = ("identity_weight", "0") if cfg.identity_weight else ("attention_weight", "blank")
            channels = " and ".join(f"{shape[0]} of {name}" for name, shape in shapes.items())
            raise ConfigError(
                f"system.{option} = {getattr(cfg, option):g} compares pictures of one set with those of the other, but "
                f"they have {channels} channels: set it to {off}, or set data.channels"
            )
        self.objective = OBJECTIVES["least_squares"]
        made = {name: shapes[name][0] for name in _OTHER}
        self.translators = nn.ModuleDict(
            {
                name: Translator(shapes[other], made[name], cfg.features, cfg.blocks, cfg.upsampling, attention)
                for name, other in _OTHER.items()
            }
        ).apply(init_normal)
        self.discriminators = nn.ModuleDict(
            {name: PatchGAN(shapes[name], cfg.features_discriminator, cfg.patch_layers, "instance") for name in _OTHER}
        ).apply(init_normal)
        self.pools = nn.ModuleDict({name: ImagePool(cfg.pool) for name in _OTHER})

    @property
    def given_multiple(self) -> int:
        """The translators halve each side twice."""
        return 4

    @property
    def reach(self) -> int | None:
        """See `System`; both translators have the same."""
        translator = self.translators["a"]
        assert isinstance(translator, Translator)
        return translator.reach

    def updates(self, it: Iteration) -> Updates:
        """One step of both generators, then one of both discriminators, which see pictures of the pools."""
        batch = it.next_batch()
        made = (yield Update("translators", self.translators_loss, batch)).tensors
        pooled = {f"fake_{name}": self._exchanged(name, made[f"fake_{name}"]) for name in _OTHER}
        yield Update("discriminators", self.discriminators_loss, {**batch, **pooled})

    def translators_loss(self, batch: Batch) -> tuple[Terms, Batch]:
        """(D(G(x)) - 1)^2 + lambda |G'(G(x)) - x| + identity lambda |G(y) - y|, summed over both directions.

        With a mask also its mean.
        The made pictures are handed back as `fake_a` and `fake_b`.
        """
        terms: dict[str, Tensor] = {}
        made: dict[str, Tensor] = {}
        for name, other in _OTHER.items():
            there, back = self.translators[name], self.translators[other]
            fake, mask = there.painted(batch[other])  # type: ignore[operator]
            made[f"fake_{name}"] = fake
            terms |= self._named(name, self.objective.generator(None, self.discriminators[name](fake).flatten()))
            terms[f"cycle_{other}"] = self.cfg.cycle_weight * l1_loss(back(fake), batch[other])
            if self.cfg.identity_weight:
                kept = l1_loss(there(batch[name]), batch[name])
                terms[f"identity_{name}"] = self.cfg.cycle_weight * self.cfg.identity_weight * kept
            if mask is not None:
                assert self.cfg.attention_weight is not None, "it makes the mask"
                terms[f"attention_{name}"] = self.cfg.attention_weight * mask.mean()
        return terms, made

    def discriminators_loss(self, batch: Batch) -> Terms:
        """Half of (D(y) - 1)^2 + D(G(x))^2, summed over both sets."""
        terms: dict[str, Tensor] = {}
        for name, judge in self.discriminators.items():
            found = self.objective.discriminator(judge(batch[name]).flatten(), judge(batch[f"fake_{name}"]).flatten())
            terms |= self._named(name, {term: value / 2 for term, value in found.items()})
        return terms

    def generate(self, inputs: Batch) -> Batch:
        """Translate each given picture to the other set."""
        return {f"fake_{name}": self.translators[name](inputs[other]) for name, other in _OTHER.items()}

    def realness(self, batch: Batch) -> Float[Tensor, " n"]:
        """Return the mean output over the patches and over both discriminators."""
        return torch.stack([judge(batch[name]).mean(dim=(1, 2)) for name, judge in self.discriminators.items()]).mean(0)

    def _exchanged(self, name: str, made: Tensor) -> Tensor:
        pool = self.pools[name]
        assert isinstance(pool, ImagePool)
        return pool.exchange(made)

    def _named(self, name: str, terms: Terms) -> Terms:
        return {f"{term}_{name}": value for term, value in terms.items()}
