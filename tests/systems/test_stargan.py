"""StarGAN against the written description: a hand-written loop, labels and attributes, what is asked for."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from by_hand import BATCH, adam, same_training, step
from specs import images
from torch import Tensor

from ganpipe.core.batch import Batch
from ganpipe.core.inputs import Choice, Given
from ganpipe.core.system import System
from ganpipe.errors import ConfigError
from ganpipe.systems.stargan import StarGAN

LABELLED = images((1, 16, 16), classes=("red", "green", "blue"))
FACES = images((1, 16, 16), attributes=("Smiling", "Male", "Hat"))
OPTIONS = {"features": 2, "blocks": 1, "features_discriminator": 2, "n_critic": 2, "identity_weight": 0.5}


def build(**options: object) -> StarGAN:
    torch.manual_seed(0)
    return StarGAN(StarGAN.Config.model_validate({**OPTIONS, **options}), LABELLED)


def faces(**options: object) -> StarGAN:
    torch.manual_seed(0)
    return StarGAN(StarGAN.Config.model_validate({**OPTIONS, "condition": "attributes", **options}), FACES)


def fetch(position: int, count: int) -> Batch:
    generator = torch.Generator().manual_seed(position)
    return {
        "image": torch.rand(count, 1, 16, 16, generator=generator, dtype=torch.float64) * 2 - 1,
        "label": torch.randint(3, (count,), generator=generator),
        "attributes": torch.randint(2, (count, 3), generator=generator).double(),
    }


def by_hand(condition: str) -> Callable[[System], Callable[[int], int]]:
    """Section 3 of arXiv:1711.09020, nothing of ganpipe but the two networks."""

    def start(system: System) -> Callable[[int], int]:
        g, d = system.get_submodule("generator"), system.get_submodule("discriminator")
        optimizers = {"g": adam(g), "d": adam(d, "lr_discriminator")}

        def numbers(domain: Tensor) -> Tensor:
            return F.one_hot(domain, 3).double() if condition == "label" else domain

        def classified(logits: Tensor, domain: Tensor) -> Tensor:
            if condition == "label":
                return -logits.log_softmax(dim=1).gather(1, domain[:, None]).mean()
            right = domain * F.logsigmoid(logits) + (1 - domain) * F.logsigmoid(-logits)
            return -right.sum(dim=1).mean()

        def iterate(shown: int) -> int:
            for number in range(2):
                batch = fetch(shown + number * BATCH, BATCH)
                x, own = batch["image"], batch[condition]
                wanted = own[torch.randperm(BATCH)]
                fake = g(x, numbers(wanted)).detach()
                scores, logits = d(x)
                place = torch.rand(BATCH, 1, 1, 1, dtype=torch.float64)
                between = (place * x + (1 - place) * fake).requires_grad_(True)
                (slope,) = torch.autograd.grad(d(between)[0].sum(), between, create_graph=True)
                penalty = (slope.flatten(1).square().sum(dim=1).sqrt() - 1).square().mean()
                loss = d(fake)[0].mean() - scores.mean() + 10 * penalty + classified(logits, own)
                step(optimizers["d"], loss)
            fake = g(x, numbers(wanted))
            scores, logits = d(fake)
            cycle = (x - g(fake, numbers(own))).abs().mean()
            same = (x - g(x, numbers(own))).abs().mean()
            step(optimizers["g"], -scores.mean() + classified(logits, wanted) + 10 * cycle + 5 * same)
            return 2 * BATCH

        return iterate

    return start


def test_a_step_is_that_of_the_paper() -> None:
    same_training(build, by_hand("label"), fetch)
    same_training(faces, by_hand("attributes"), fetch)


def test_the_generator_is_given_a_picture_and_asked_for_a_domain() -> None:
    assert build().inputs == {"source": Given("image"), "domain": Choice("label")}
    chosen = faces(attributes=("Hat", "Smiling"))
    assert chosen.inputs == {"source": Given("image"), "domain": Choice("attributes")}
    assert chosen.data.names("attributes") == ("Smiling", "Hat")  # in the order of the data
    batch = {name: values.float() for name, values in fetch(0, 6).items() if name != "label"}
    kept = chosen._with_wanted(batch)
    assert torch.equal(kept["attributes"], batch["attributes"][:, [0, 2]])
    assert sorted(kept["wanted"].tolist()) == sorted(kept["attributes"].tolist())


def test_identity_is_off_by_default() -> None:
    assert StarGAN.Config().identity_weight == 0
    batch = build()._with_wanted({"image": torch.rand(3, 1, 16, 16), "label": torch.tensor([0, 1, 2])})
    assert "identity" not in build(identity_weight=0.0).generator_loss(batch)


def test_one_domain_is_refused() -> None:
    with pytest.raises(ConfigError, match="needs two classes or more"):
        StarGAN(StarGAN.Config.model_validate(OPTIONS), images((1, 16, 16), classes=("one",)))
