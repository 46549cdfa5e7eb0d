"""CycleGAN against the written description: a hand-written loop, the pool, both directions, resuming with the pool."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from by_hand import BATCH, TRAIN, adam, same_training, step
from specs import pictures
from torch import Tensor, nn

from ganpipe import recipes
from ganpipe.config import load_params
from ganpipe.core.batch import Batch
from ganpipe.core.inputs import Given
from ganpipe.core.optim import learning_rate
from ganpipe.core.system import System
from ganpipe.errors import ConfigError
from ganpipe.sampling.published import published_state
from ganpipe.systems.cyclegan import CycleGAN
from ganpipe.training.loop import Trainer

SPEC = pictures((1, 16, 16), (1, 16, 16), paired=False)


def build(**options: object) -> CycleGAN:
    torch.manual_seed(0)
    small = {"features": 2, "blocks": 1, "features_discriminator": 2, "patch_layers": 1, "pool": 6}
    return CycleGAN(CycleGAN.Config.model_validate({**small, **options}), SPEC)


def fetch(position: int, count: int) -> Batch:
    generator = torch.Generator().manual_seed(position)
    return {name: torch.rand(count, 1, 16, 16, generator=generator, dtype=torch.float64) * 2 - 1 for name in "ab"}


class Buffer:
    """The pool as the paper's code has it, written out again."""

    def __init__(self, size: int) -> None:
        self.size, self.kept = size, []

    def query(self, images: Tensor) -> Tensor:
        found = []
        for image in images.detach():
            if len(self.kept) < self.size:
                self.kept.append(image)
                found.append(image)
            elif torch.rand(()).item() >= 0.5:
                number = torch.randint(self.size, ()).item()
                found.append(self.kept[number])
                self.kept[number] = image
            else:
                found.append(image)
        return torch.stack(found)


def by_hand(system: System) -> Callable[[int], int]:
    """Section 3 and 4 of arXiv:1703.10593: least squares, cycles, identity, buffers, G before D."""
    networks = dict(system.named_modules())
    g, f = networks["translators.b"], networks["translators.a"]  # G: a -> b, F: b -> a
    d_a, d_b = networks["discriminators.a"], networks["discriminators.b"]
    both = nn.ModuleList([f, g]), nn.ModuleList([d_a, d_b])
    optimizers = adam(both[0]), adam(both[1], "lr_discriminator")
    buffers = {"a": Buffer(6), "b": Buffer(6)}

    def iterate(shown: int) -> int:
        batch = fetch(shown, BATCH)
        x, y = batch["a"], batch["b"]
        fake_b, fake_a = g(x), f(y)
        loss = (d_b(fake_b) - 1).square().mean() + (d_a(fake_a) - 1).square().mean()
        loss = loss + 10 * (f(fake_b) - x).abs().mean() + 10 * (g(fake_a) - y).abs().mean()
        loss = loss + 5 * (g(y) - y).abs().mean() + 5 * (f(x) - x).abs().mean()
        step(optimizers[0], loss)
        old_a, old_b = buffers["a"].query(fake_a), buffers["b"].query(fake_b)
        loss = ((d_a(x) - 1).square().mean() + d_a(old_a).square().mean()) / 2
        loss = loss + ((d_b(y) - 1).square().mean() + d_b(old_b).square().mean()) / 2
        step(optimizers[1], loss)
        return BATCH

    return iterate


def test_a_step_is_that_of_the_paper() -> None:
    same_training(build, by_hand, fetch)


def test_both_directions_are_made_of_given_pictures() -> None:
    system = build().eval()
    assert system.inputs == {"a": Given("a"), "b": Given("b")}
    inputs = {name: values.float() for name, values in fetch(0, 3).items()}
    made = system.generate(inputs)
    assert made.keys() == system.outputs.keys() == {"fake_b", "fake_a"}
    torch.testing.assert_close(made["fake_b"], system.translators["b"](inputs["a"]))
    torch.testing.assert_close(made["fake_a"], system.translators["a"](inputs["b"]))


def test_pools_are_resumed_and_not_published() -> None:
    first = build().double()
    trainer = Trainer(first, TRAIN, fetch)
    for _ in range(3):
        trainer.iterate()
    state = copy.deepcopy(trainer.state())
    second = build().double()
    resumed = Trainer(second, TRAIN, fetch)
    resumed.restore(state)
    for _ in range(2):
        trainer.iterate()
        resumed.iterate()
    for (name, mine), other in zip(first.state_dict().items(), second.state_dict().values(), strict=True):
        if torch.is_tensor(mine):
            assert torch.equal(mine, other), name
    for name in "ab":
        mine, other = first.pools[name].images, second.pools[name].images
        assert len(mine) == 6 and all(torch.equal(one, two) for one, two in zip(mine, other, strict=True))
    assert not [name for name in published_state(first) if "pool" in name]


LARGER_SETS = {"horse2zebra": 1334, "apple2orange": 1019, "summer2winter": 1231, "monet2photo": 6287}
"""Pictures of the larger training set as counted in the archives."""


@pytest.mark.parametrize("name", LARGER_SETS)
def test_the_learning_rate_is_constant_for_100_epochs_and_falls_to_0_in_100_more(name: str) -> None:
    """Section 4 of arXiv:1703.10593, "linearly decay the rate to zero over the next 100 epochs"."""
    train, epoch = load_params(recipes.path_of(f"{name}-cyclegan")).train, LARGER_SETS[name]
    assert (train.batch, round(1000 * train.kimg)) == (1, 200 * epoch)
    for adversary in (False, True):
        rates = [learning_rate(train, round(epochs * epoch), adversary) for epochs in (0, 99, 100, 150, 175, 200)]
        assert rates == pytest.approx([2e-4, 2e-4, 2e-4, 1e-4, 5e-5, 0], abs=1e-15)
        last = learning_rate(train, 200 * epoch - 1, adversary)  # of the step that the last picture takes
        assert last == pytest.approx(2e-4 / (100 * epoch))


def test_both_players_step_with_the_scheduled_rate() -> None:
    cfg = TRAIN.model_copy(update={"kimg": 8 * BATCH / 1000, "lr_decay_from_kimg": 4 * BATCH / 1000})
    trainer, rates = Trainer(build().double(), cfg, fetch), []
    while trainer.nimg < trainer.total_nimg:
        trainer.iterate()
        rates.append([optimizer.param_groups[0]["lr"] for optimizer in trainer._optimizers.values()])
    shares = [1, 1, 1, 1, 1, 3 / 4, 1 / 2, 1 / 4]  # and 0 where the next one would begin
    assert rates == [pytest.approx([2e-4 * share, 1e-4 * share]) for share in shares]


def test_outside_the_masks_pictures_stay_as_they_are() -> None:
    system = build(attention_weight=0.1).float()
    batch = {name: values.float() for name, values in fetch(0, 2).items()}
    terms, made = system.translators_loss(batch)
    for name, other in (("a", "b"), ("b", "a")):
        translator = system.translators[name]
        colour, logit = translator.body(batch[other]).split((batch[other].shape[1], 1), dim=1)  # type: ignore[operator]
        mask = torch.sigmoid(logit)
        expected = batch[other] + mask * (torch.tanh(colour) - batch[other])
        torch.testing.assert_close(made[f"fake_{name}"], expected)
        torch.testing.assert_close(terms[f"attention_{name}"], 0.1 * mask.mean())
    assert not any(name.startswith("attention") for name in build().float().translators_loss(batch)[0])


def test_a_mask_needs_equally_many_channels() -> None:
    data = pictures((1, 16, 16), (3, 16, 16), paired=False)
    with pytest.raises(ConfigError, match=r"attention_weight = 0 .*they have 1 of a and 3 of b channels.*to blank"):
        CycleGAN(CycleGAN.Config(identity_weight=0.0, attention_weight=0.0, features=2, blocks=1), data)


def test_identity_needs_equally_many_channels() -> None:
    spec = pictures((1, 16, 16), (3, 16, 16), paired=False)
    cfg = CycleGAN.Config(features=2, blocks=1, features_discriminator=2, patch_layers=1)
    with pytest.raises(ConfigError, match="they have 1 of a and 3 of b channels: set it to 0"):
        CycleGAN(cfg, spec)
    CycleGAN(cfg.model_copy(update={"identity_weight": 0.0}), spec)
