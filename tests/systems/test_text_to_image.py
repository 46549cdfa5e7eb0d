"""Text to image against its description: a hand-written loop, what each player pays for, which captions are wrong."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from by_hand import BATCH, adam, same_training, step
from pydantic import ValidationError
from torch import Tensor, nn

from ganpipe.core.batch import Batch
from ganpipe.core.inputs import Given, Noise
from ganpipe.core.spec import DataSpec, Encoder, Field
from ganpipe.core.system import Iteration, System
from ganpipe.errors import ConfigError
from ganpipe.systems.text_to_image import TextToImage

NUMBERS, TOKENS, LATENT = 6, 3, 4
TEXT = Field(
    kind="text", shape=(TOKENS, NUMBERS), names=("one", "two"), encoder=Encoder(source="random-0", sha256="0" * 64)
)
SPEC = DataSpec(name="toy", fields={"image": Field(kind="image", shape=(1, 8, 8)), "caption": TEXT, "swapped": TEXT})
SMALL = {"latent": LATENT, "width": 8, "heads": 2, "depth": 1, "patch": 4, "features": 2, "features_discriminator": 2}


def build(**options: object) -> TextToImage:
    torch.manual_seed(0)
    return TextToImage(TextToImage.Config.model_validate({**SMALL, **options}), SPEC)


def fetch(position: int, count: int) -> Batch:
    generator = torch.Generator().manual_seed(position)
    text = torch.randn(2, count, TOKENS, NUMBERS, generator=generator, dtype=torch.float64)
    text[:, ::2, -1] = 0
    image = torch.rand(count, 1, 8, 8, generator=generator, dtype=torch.float64) * 2 - 1
    return {"image": image, "caption": text[0], "swapped": text[1]}


def single() -> Batch:
    return {name: values.float() for name, values in fetch(0, 3).items()}


OPTIONS = {"ma_gp_weight": 2.0, "l1_weight": 3.0, "l2_weight": 5.0, "pixel_decay_kimg": 0.02}


def by_hand(system: System) -> Callable[[int], int]:
    """One step of D, with two kinds of wrong captions and DF-GAN's penalty, then one of G, whose L1 and L2 fade."""
    draw, judge = system.get_submodule("generator"), system.get_submodule("discriminator")
    optimizers = {"generator": adam(draw), "discriminator": adam(judge, "lr_discriminator")}

    def iterate(shown: int) -> int:
        batch = fetch(shown, BATCH)
        x, t, swapped = batch["image"], batch["caption"], batch["swapped"]
        made = draw(torch.randn(BATCH, LATENT).double(), t).detach()
        regions = judge.regions(x)
        real, fake = judge.judge(regions, t), judge.judge(judge.regions(made), t)
        shift = int(torch.randint(1, BATCH, ()))
        other = torch.cat([t[-shift:], t[:-shift]])
        wrong = sum((1 + judge.judge(regions, words)).clamp(min=0).mean() / 4 for words in (other, swapped))
        pixels, words = x.clone().requires_grad_(), t.clone().requires_grad_()
        slopes = torch.autograd.grad(judge(pixels, words).sum(), (pixels, words), create_graph=True)
        norm = sum(slope.square().sum(dim=tuple(range(1, slope.dim()))).sqrt() for slope in slopes)
        cost = (1 - real).clamp(min=0).mean() + (1 + fake).clamp(min=0).mean() / 2 + wrong
        step(optimizers["discriminator"], cost + 2 * (norm**6).mean())
        made = draw(torch.randn(BATCH, LATENT).double(), t)
        share = max(0, 1 - shown / 20)
        distance = 3 * (made - x).abs().mean() + 5 * (made - x).square().mean()
        step(optimizers["generator"], -judge(made, t).mean() + share * distance)
        return BATCH

    return iterate


@pytest.mark.parametrize("began", [0, 20])
def test_a_step_is_that_of_the_description(began: int) -> None:
    same_training(lambda: build(**OPTIONS), by_hand, fetch, began)


class Fixed(nn.Module):
    """Logits that are the sum of the first numbers of a text: what a picture shows does not matter."""

    def regions(self, images: Tensor) -> Tensor:
        return images

    def judge(self, regions: Tensor, texts: Tensor) -> Tensor:
        return texts[:, 0, 0]

    def forward(self, images: Tensor, texts: Tensor) -> Tensor:
        return self.judge(images, texts)


class Grey(nn.Module):
    """Draws grey pictures, whatever the text."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Linear(1, 1)  # a system is where its parameters are

    def forward(self, latents: Tensor, texts: Tensor) -> Tensor:
        return torch.full((len(texts), 1, 8, 8), 0.5)


def said(*numbers: float) -> Tensor:
    """Texts of one token that begin with these numbers."""
    found = torch.zeros(len(numbers), 1, NUMBERS)
    found[:, 0, 0], found[:, 0, 1] = torch.tensor(numbers), 1.0
    return found


@pytest.mark.parametrize(
    ("options", "due"),
    [
        ({}, {"real": 0.75, "fake": 0.625, "mismatched": 0.3125, "swapped": 0.25}),
        ({"mismatched": False}, {"real": 0.75, "fake": 0.625, "swapped": 0.5}),
        ({"mismatched": False, "swapped": False}, {"real": 0.75, "fake": 1.25}),
    ],
)
def test_what_the_discriminator_pays(options: dict[str, bool], due: dict[str, float]) -> None:
    system = build(**options)
    system.discriminator = Fixed()
    batch = {"image": torch.zeros(2, 1, 8, 8), "caption": said(0.5, 0.0), "swapped": said(1.0, 0.0)}
    terms, outputs = system.discriminator_loss(batch)
    # real 0.5 and 1, fake 1.5 and 1, mismatched 1 and 1.5, swapped 2 and nothing: that caption is the own one after all
    assert {name: value.item() for name, value in terms.items()} == pytest.approx(due)
    assert outputs["real"].tolist() == [0.5, 0.0]


def test_what_the_generator_pays() -> None:
    system = build(adversarial_weight=3.0, l1_weight=10.0, l2_weight=20.0)
    system.discriminator = Fixed()
    system.generator = Grey()
    batch = {"image": torch.zeros(2, 1, 8, 8), "caption": said(0.5, 1.5), "swapped": said(0.0, 0.0)}
    paid = {name: value.item() for name, value in system.generator_loss(batch, share=0.5).items()}
    assert paid == pytest.approx({"adversarial": -3.0, "l1": 2.5, "l2": 2.5})


def test_the_share_of_the_pixels_falls_to_nothing() -> None:
    system = build(pixel_decay_kimg=4.0)
    assert [system.pixel_share(kimg) for kimg in (0.0, 1.0, 4.0, 9.0)] == [1.0, 0.75, 0.0, 0.0]
    assert build().pixel_share(1e6) == 1.0


def test_mismatched_captions_are_those_of_others_in_the_batch() -> None:
    system, batch = build(), single()
    for seed in range(5):
        torch.manual_seed(seed)
        wrong = system.wrong_captions(batch)
        assert torch.equal(wrong["swapped"], batch["swapped"])
        places = [int((batch["caption"] == text).flatten(1).all(1).nonzero()) for text in wrong["mismatched"]]
        assert sorted(places) == [0, 1, 2] and all(place != row for row, place in enumerate(places))
    assert system.smallest_batch == 2 and build(mismatched=False).smallest_batch == 1


@pytest.mark.parametrize("name", ["l1_weight", "l2_weight"])
def test_without_the_adversarial_term_there_is_no_discriminator(name: str) -> None:
    system = build(adversarial_weight=0.0, **{"l1_weight": 0.0, "l2_weight": 0.0, name: 1.0})
    assert system.players == ("generator",) and not hasattr(system, "discriminator")
    steps = [update.player for update in system.updates(Iteration(0, lambda position, count: single(), batch=3))]
    assert steps == ["generator"] and system.realness(single()) is None
    assert system.generator_loss(single()).keys() == {name.removesuffix("_weight")}


def test_without_pixels_there_is_the_adversarial_term_alone() -> None:
    assert build(l1_weight=0.0, l2_weight=0.0).generator_loss(single()).keys() == {"adversarial"}


def test_it_is_drawn_from_noise_and_a_caption_and_knows_no_names() -> None:
    system = build()
    assert system.inputs == {"latent": Noise((LATENT,)), "caption": Given("caption")}
    assert system.data.fields.keys() == {"image", "caption", "swapped"}
    assert all(field.names == () for field in system.data.fields.values())
    assert system.data.fields["caption"].is_part_of(TEXT)
    batch = single()
    made = [system.eval().generate({"latent": torch.randn(3, LATENT), "caption": batch["caption"]}) for _ in range(2)]
    assert made[0]["image"].shape == (3, 1, 8, 8) and not torch.equal(made[0]["image"], made[1]["image"])
    assert system.realness(batch).shape == (3,)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"adversarial_weight": 0.0, "l1_weight": 0.0, "l2_weight": 0.0}, "all 0: the generator would learn nothing"),
        ({"adversarial_weight": 0.0, "pixel_decay_kimg": 1.0}, "pixel_decay_kimg lets the only loss end"),
        ({"width": 9}, "width 9 is not shared evenly by 2 heads"),
        ({"features_discriminator": 3}, "features_discriminator 3 is not shared evenly by 2 heads"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, float], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        build(**options)


def test_sizes_and_data_that_do_not_fit_are_refused() -> None:
    config = TextToImage.Config.model_validate({**SMALL, "patch": 5})
    with pytest.raises(ConfigError, match="images of 28x28 are not put together from patches of system.patch = 5"):
        config.require_size(28, 28)
    without = DataSpec(name="toy", fields={name: SPEC.fields[name] for name in ("image", "caption")})
    with pytest.raises(ConfigError, match="needs texts in a field 'swapped', but data.name = 'toy' has image"):
        TextToImage(TextToImage.Config.model_validate(SMALL), without)
    TextToImage(TextToImage.Config.model_validate({**SMALL, "swapped": False}), without)
