"""The conditional GAN: what is asked for, who is paid for what, and that wrong conditions are noticed."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch
from specs import images
from torch import nn

from ganpipe import recipes
from ganpipe.config import load_params
from ganpipe.core.batch import Batch
from ganpipe.core.inputs import Choice, Noise
from ganpipe.core.spec import DataSpec
from ganpipe.core.system import Iteration, Outcome
from ganpipe.errors import ConfigError
from ganpipe.sampling.draw import all_inputs
from ganpipe.sampling.latent_pictures import per_choice
from ganpipe.systems import configure
from ganpipe.systems.conditional_gan import ConditionalGAN

LABELLED = images((1, 16, 16), classes=("low", "middle", "high"))
FACES = images((3, 16, 16), attributes=("Smiling", "Male", "Hat", "Young"), name="faces")
KINDS = [(network, kind) for network in ("dcgan", "mlp") for kind in ("joint", "heads", "projection")]


def build(data: DataSpec = LABELLED, **options: object) -> ConditionalGAN:
    torch.manual_seed(0)
    return ConditionalGAN(ConditionalGAN.Config.model_validate({"latent": 5, "features": 4, **options}), data)


def faces(**options: object) -> ConditionalGAN:
    return build(FACES, condition="attributes", **options)


def batch(n: int = 6) -> Batch:
    return {"image": torch.rand(n, 1, 16, 16) * 2 - 1, "label": torch.arange(n) % 3}


def logit(p: float) -> float:
    return math.log(p / (1 - p))


class Fixed(nn.Module):
    """Gives the same verdicts whatever it sees."""

    def __init__(self, *probabilities: float) -> None:
        super().__init__()
        self.verdicts = torch.tensor([[logit(p) for p in probabilities]])

    def features(self, images: torch.Tensor) -> torch.Tensor:
        return images

    def judge(self, images: torch.Tensor, conditions: torch.Tensor) -> torch.Tensor:
        return self.verdicts.expand(len(images), -1)


# What is asked for.


def test_labels_are_chosen_evenly() -> None:
    system = build()
    assert system.inputs == {"latent": Noise((5,)), "condition": Choice("label")}
    label = system.draw("condition", 200, torch.Generator().manual_seed(1))
    assert label.dtype == torch.int64
    assert torch.bincount(label, minlength=3).min() > 45  # of 67 expected
    assert torch.bincount(label).numel() == 3
    assert system.encoded(torch.tensor([2, 0])).tolist() == [[0, 0, 1], [1, 0, 0]]


def test_attributes_are_chosen_by_a_coin_each() -> None:
    system = faces(attributes=("Hat", "Smiling"))
    assert system.inputs == {"latent": Noise((5,)), "condition": Choice("attributes")}
    assert system.data.names("attributes") == ("Smiling", "Hat")  # in the order of the data
    found = system.draw("condition", 400, torch.Generator().manual_seed(1))
    assert found.shape == (400, 2)
    assert set(found.unique().tolist()) == {0.0, 1.0}
    assert found.mean(dim=0).tolist() == pytest.approx([0.5, 0.5], abs=0.1)
    assert (found[:, 0] == found[:, 1]).float().mean().item() == pytest.approx(0.5, abs=0.1)  # one says nothing of two
    assert torch.equal(system.encoded(found), found)


def test_every_choice_can_be_asked_for_with_the_same_latents() -> None:
    system = build()
    inputs = all_inputs(system, 4, seed=2)
    found = per_choice(system, inputs)
    assert {name: asked["condition"].tolist() for name, asked in found.items()} == {
        "low": [0] * 4,
        "middle": [1] * 4,
        "high": [2] * 4,
    }
    assert all(torch.equal(asked["latent"], inputs["latent"]) for asked in found.values())
    chosen = faces(attributes=("Hat", "Smiling"))
    found = per_choice(chosen, all_inputs(chosen, 2, seed=2))
    assert {name: asked["condition"].tolist() for name, asked in found.items()} == {
        "Smiling": [[1, 0]] * 2,
        "Hat": [[0, 1]] * 2,
    }


def test_the_same_seed_chooses_the_same() -> None:
    system = build()
    one, two, other = (all_inputs(system, 8, seed) for seed in (3, 3, 4))
    for name in ("latent", "condition"):
        assert torch.equal(one[name], two[name])
        assert not torch.equal(one[name], other[name])


@pytest.mark.parametrize(("network", "discriminator"), KINDS)
def test_what_is_drawn_depends_on_what_is_asked_for(network: str, discriminator: str) -> None:
    system = build(network=network, discriminator=discriminator).eval()
    latent, label = system.draw("latent", 4), torch.zeros(4, dtype=torch.int64)
    drawn = system.generate({"latent": latent, "condition": label})["image"]
    assert drawn.shape == (4, 1, 16, 16)
    assert not torch.equal(drawn, system.generate({"latent": latent, "condition": label + 1})["image"])


def test_the_columns_of_the_chosen_attributes_are_read_in_the_order_of_the_data() -> None:
    system = faces(attributes=("Young", "Smiling"))
    rows = {"image": torch.zeros(1, 3, 16, 16), "attributes": torch.tensor([[0.25, 2.0, 3.0, 0.75]])}
    assert system._condition(rows).tolist() == [[0.25, 0.75]]
    assert faces()._condition(rows).tolist() == [[0.25, 2.0, 3.0, 0.75]]  # none named: all


def test_what_was_asked_for_is_judged_as_what_is_in_the_data() -> None:
    system = faces(attributes=("Young", "Smiling"), discriminator="heads").eval()
    image, chosen = torch.randn(8, 3, 16, 16), torch.randint(2, (8, 2)).float()
    of_the_data = torch.randint(2, (8, 4)).float()
    of_the_data[:, [0, 3]] = chosen
    asked = system.realness({"image": image, "attributes": chosen})
    torch.testing.assert_close(asked, system.realness({"image": image, "attributes": of_the_data}))
    verdicts = system.discriminator.judge(system.discriminator.features(image), chosen)
    torch.testing.assert_close(asked, torch.minimum(verdicts[:, 0], verdicts[:, 1]))


# Wrong conditions.


def test_wrong_labels_are_drawn_evenly_among_the_others() -> None:
    system = build()
    label = torch.full((3000,), 1)
    wrong = system.wrong(system.encoded(label))
    assert torch.equal(wrong.sum(dim=1), torch.ones(3000))
    shares = torch.bincount(wrong.argmax(dim=1), minlength=3) / 3000
    assert shares.tolist() == pytest.approx([0.5, 0, 0.5], abs=0.04)
    assert shares[1] == 0


def test_a_wrong_condition_has_one_attribute_flipped() -> None:
    system = faces()
    right = torch.randint(2, (2000, 4)).float()
    flipped = (system.wrong(right) != right).float()
    assert torch.equal(flipped.sum(dim=1), torch.ones(2000))
    assert flipped.mean(dim=0).tolist() == pytest.approx([0.25] * 4, abs=0.04)
    assert set(system.wrong(right).unique().tolist()) == {0.0, 1.0}


# Who pays for what: D passes real images with probability 0.8 and so on, costs are minus logarithms.


def test_costs_of_one_verdict() -> None:
    real, fake, wrong = (torch.full((4, 1), logit(p)) for p in (0.8, 0.3, 0.1))
    system = build()
    terms = system.verdict_costs(real, fake, None)
    assert {name: value.item() for name, value in terms.items()} == pytest.approx(
        {"real": -math.log(0.8), "fake": -math.log(0.7)}
    )
    terms = system.verdict_costs(real, fake, wrong)
    assert {name: value.item() for name, value in terms.items()} == pytest.approx(
        {"real": -math.log(0.8), "fake": -math.log(0.7) / 2, "wrong_condition": -math.log(0.9) / 2}
    )


def test_costs_of_two_verdicts_leave_the_quality_of_mismatched_images_alone() -> None:
    real, fake, wrong = (
        torch.tensor([[logit(quality), logit(match)]]) for quality, match in ((0.8, 0.6), (0.3, 0.4), (0.99, 0.1))
    )
    terms = build(discriminator="heads").verdict_costs(real, fake, wrong)
    assert {name: value.item() for name, value in terms.items()} == pytest.approx(
        {
            "quality_real": -math.log(0.8),
            "quality_fake": -math.log(0.7),
            "match_real": -math.log(0.6),
            "match_fake": -math.log(0.6) / 2,
            "match_wrong_condition": -math.log(0.9) / 2,
        }
    )


def test_the_generator_is_paid_for_passing_both_verdicts() -> None:
    system = build(discriminator="heads")
    system.discriminator = Fixed(0.5, 0.4)
    terms = system.generator_loss(batch())
    assert terms["quality"].item() == pytest.approx(-math.log(0.5))
    assert sum(terms.values()).item() == pytest.approx(-math.log(0.5 * 0.4))  # both must pass: the product
    scores = system.scores(torch.tensor([[logit(0.9), logit(0.8)]]), torch.tensor([[logit(0.5), logit(0.4)]]))
    assert scores["score_generator"].item() == pytest.approx(0.2)
    assert scores["score_discriminator"].item() == pytest.approx((0.72 + 0.8) / 2)


def test_the_generator_is_paid_for_passing_the_only_verdict() -> None:
    system = build()
    system.discriminator = Fixed(0.4)
    assert {name: value.item() for name, value in system.generator_loss(batch()).items()} == pytest.approx(
        {"adversarial": -math.log(0.4)}
    )


def test_losses_at_balance() -> None:
    ln2 = math.log(2)
    assert build().ideal == pytest.approx({"loss_generator": ln2, "loss_discriminator": 2 * ln2})
    assert build(discriminator="heads").ideal == pytest.approx(
        {"loss_generator": 2 * ln2, "loss_discriminator": 4 * ln2}
    )
    assert build(mismatched=True).ideal == {}
    for kind, verdicts in (("joint", 1), ("heads", 2)):
        system = build(discriminator=kind)
        even = torch.zeros(2, verdicts)
        total = sum(system.verdict_costs(even, even, None).values())
        assert total.item() == pytest.approx(system.ideal["loss_discriminator"])


@pytest.mark.parametrize("discriminator", ["joint", "heads", "projection"])
def test_the_discriminator_sees_fakes_under_the_conditions_of_the_reals(discriminator: str) -> None:
    system = build(discriminator=discriminator).eval()
    rows = batch()
    torch.manual_seed(1)
    _, tensors = system.discriminator_loss(rows)
    torch.manual_seed(1)
    condition = torch.eye(3)[rows["label"]]
    images = system.generator(torch.cat([torch.randn(6, 5), condition], dim=1))
    judge, features = system.discriminator.judge, system.discriminator.features
    torch.testing.assert_close(tensors["real"], judge(features(rows["image"]), condition))
    torch.testing.assert_close(tensors["fake"], judge(features(images), condition))


def test_all_that_the_discriminator_sees_is_augmented() -> None:
    white = {"image": torch.ones(6, 1, 16, 16), "label": torch.arange(6) % 3}
    for augment, moved in ((None, False), (("translation",), True)):
        system = build(augment=augment)
        system.generator.forward = lambda latents: torch.ones(len(latents), 1, 16, 16)
        given: list[torch.Tensor] = []
        system.discriminator.body.layers.register_forward_pre_hook(
            lambda _, inputs, given=given: given.append(inputs[0])
        )
        system.discriminator_loss(white)
        system.generator_loss(white)
        assert len(given) == 3
        assert all((images[:, 0] == 1).all().item() != moved for images in given)


@pytest.mark.parametrize(("network", "discriminator"), KINDS)
def test_no_gradient_of_the_discriminators_loss_reaches_the_generator(network: str, discriminator: str) -> None:
    system = build(network=network, discriminator=discriminator, mismatched=True)
    terms, _ = system.discriminator_loss(batch())
    torch.stack(list(terms.values())).sum().backward()
    assert all(parameter.grad is None for parameter in system.generator.parameters())
    assert all(parameter.grad is not None for parameter in system.discriminator.parameters())


# Learning.


@pytest.mark.parametrize("mismatched", [True, False])
@pytest.mark.parametrize(("network", "discriminator"), KINDS)
def test_wrong_labels_are_noticed_if_and_only_if_they_were_shown(
    network: str, discriminator: str, mismatched: bool
) -> None:
    system = build(network=network, discriminator=discriminator, mismatched=mismatched)
    system.discriminator.train()
    optimizer = torch.optim.Adam(system.discriminator.parameters(), lr=0.005)
    for rows in bars(30):
        optimizer.zero_grad()
        terms, _ = system.discriminator_loss(rows)
        torch.stack(list(terms.values())).sum().backward()
        optimizer.step()
    shares = [share_of_wrong_labels_below_right_ones(system, rows) for rows in bars(4)]
    share = sum(shares) / len(shares)
    assert share > 0.9 if mismatched else share < 0.9


def bars(count: int) -> Iterator[Batch]:
    """Batches of noisy images with one bright bar, whose height is the label."""
    for _ in range(count):
        label = torch.randint(3, (32,))
        image = torch.rand(32, 1, 16, 16) * 0.2 - 1
        for row, k in enumerate(label.tolist()):
            image[row, :, 2 + 5 * k : 4 + 5 * k] = 1
        yield {"image": image, "label": label}


@torch.no_grad()
def share_of_wrong_labels_below_right_ones(system: ConditionalGAN, rows: Batch) -> float:
    right = system.encoded(rows["label"])
    seen = system.discriminator.features(rows["image"])
    verdicts = (system.discriminator.judge(seen, condition)[:, -1] for condition in (right, system.wrong(right)))
    return torch.gt(*verdicts).float().mean().item()


def test_one_step_each_on_one_batch() -> None:
    system = build(discriminator="heads")
    it = Iteration(0, lambda position, count: batch(count), batch=6)
    steps = system.updates(it)
    players = [next(steps).player]
    assert it.shown == 6
    players.append(steps.send(Outcome({}, {"real": torch.zeros(6, 2), "fake": torch.zeros(6, 2)})).player)
    assert players == ["discriminator", "generator"]
    assert {name: values[0].item() for name, values in it.logged.items()} == {
        "score_generator": 0.25,
        "score_discriminator": 0.5,
    }


# What is refused, and what the recipes are.


def test_data_without_conditions_is_refused() -> None:
    with pytest.raises(ConfigError, match="'label' needs .* data.name = 'faces'"):
        build(FACES)
    with pytest.raises(ConfigError, match="'attributes' needs .* data.name = 'toy'"):
        build(condition="attributes")


def test_an_unknown_attribute_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"system.attributes: attribute 'Smile' is unknown, did you mean 'Smiling'\?"):
        faces(attributes=("Smile",))


def test_attributes_that_nobody_would_see_are_refused() -> None:
    with pytest.raises(ValueError, match="attributes are named, but condition is label"):
        ConditionalGAN.Config(attributes=("Smiling",))
    with pytest.raises(ValueError, match="names one twice"):
        ConditionalGAN.Config(condition="attributes", attributes=("Hat", "Hat"))


def test_the_books_recipe_is_the_books() -> None:
    params = load_params(recipes.path_of("digits-cgan-book"))
    digits = images((1, 28, 28), classes=tuple("0123456789"), name="digits")
    system = ConditionalGAN(configure(params.system), digits)
    counts = [sum(p.numel() for p in system.get_submodule(player).parameters()) for player in system.players]
    assert counts == [180_184, 159_601]
    assert (params.train.lr, params.train.lr_discriminator) == (1e-4, None)
    assert params.train.optimizer.model_dump()["betas"] == (0.9, 0.999)


@pytest.mark.parametrize(
    ("recipe", "discriminator"),
    [("digits-cgan", "joint"), ("digits-cgan-heads", "heads"), ("digits-cgan-projection", "projection")],
)
def test_the_recipes_show_each_discriminator(recipe: str, discriminator: str) -> None:
    assert load_params(recipes.path_of(recipe)).system.options["discriminator"] == discriminator
