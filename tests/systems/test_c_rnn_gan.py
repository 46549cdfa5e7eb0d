"""C-RNN-GAN against the written description: counts, a hand-written loop, the curriculum, the rule of freezing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from by_hand import BATCH, TRAIN, adam, same_training, step
from specs import vectors

from ganpipe.config import parse
from ganpipe.core.batch import Batch
from ganpipe.core.spec import DataSpec, Field
from ganpipe.core.system import Iteration, Outcome
from ganpipe.core.tones import INTENSITY, LENGTH, PITCH, TONE, WAIT
from ganpipe.errors import ConfigError
from ganpipe.nets.tones import EventDiscriminator, EventGenerator
from ganpipe.systems.c_rnn_gan import CRNNGAN
from ganpipe.training.loop import Trainer

TONES = 6
DATA = DataSpec(name="toy", fields={"notes": Field(kind="sequence", shape=(TONES, 4), names=TONE)})
OPTIONS = {"tones": TONES, "latent": 3, "units": 5, "units_discriminator": 4, "freeze_below": 0.0, "ticks": 8}


class Precise(CRNNGAN):
    """Draws in the precision of its networks."""

    def draw(self, name: str, n: int, generator: torch.Generator | None = None) -> torch.Tensor:
        return super().draw(name, n, generator).to(next(self.parameters()).dtype)


def build(**options: object) -> CRNNGAN:
    torch.manual_seed(0)
    return Precise(CRNNGAN.Config.model_validate({**OPTIONS, **options}), DATA)


def fetch(position: int, count: int) -> Batch:
    generator = torch.Generator().manual_seed(position)
    usual, spread = torch.tensor([1.0, 60.0, 80.0, 0.5]), torch.tensor([0.5, 8.0, 10.0, 0.5])
    return {"notes": usual + spread * torch.rand(count, TONES, 4, generator=generator, dtype=torch.float64)}


def seen(tones: torch.Tensor) -> torch.Tensor:
    return (tones - torch.tensor([0.75, 62.0, 80.0, 0.25])) / torch.tensor([0.5, 9.0, 16.0, 0.5])


def generated(g: EventGenerator, noise: torch.Tensor) -> torch.Tensor:
    """Event by event through the cells of the LSTM, by the equations."""
    previous, made = torch.zeros(len(noise), 4, dtype=noise.dtype), []
    states = [(torch.zeros(len(noise), 5, dtype=noise.dtype),) * 2 for _ in range(2)]
    for at in range(noise.shape[1]):
        x = torch.relu(g.into(torch.cat([noise[:, at], previous], dim=1)))
        for layer in range(2):
            w_in, w_hidden, b_in, b_hidden = (
                getattr(g.lstm, f"{name}_l{layer}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            )
            hidden, cell = states[layer]
            i, f, c, o = (x @ w_in.T + b_in + hidden @ w_hidden.T + b_hidden).chunk(4, dim=1)
            cell = f.sigmoid() * cell + i.sigmoid() * c.tanh()
            x = o.sigmoid() * cell.tanh()
            states[layer] = (x, cell)
        previous = g.out(x)
        made.append(previous)
    return torch.stack(made, dim=1)


def by_hand(objective: str, pretrain: int, waits: float = 0.0) -> Callable[[CRNNGAN], Callable[[int], int]]:
    """Section 3 of arXiv:1611.09904, nothing of ganpipe but the networks. `pretrain` is in windows."""

    def start(system: CRNNGAN) -> Callable[[int], int]:
        g, d = system.generator, system.discriminator
        optimizers = {"g": adam(g), "d": adam(d, "lr_discriminator")}
        last = {"d": 1.0, "g": 1.0}

        def belief(tones: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            features, _ = d.lstm(tones)
            return d.out(features).squeeze(2).sigmoid().mean(dim=1), features

        def iterate(shown: int) -> int:
            x = seen(fetch(shown, BATCH)["notes"])
            if shown < pretrain:
                tones = min(TONES, 2 * (1 + shown // BATCH))
                noise = torch.rand(BATCH, TONES, 3).double()[:, :tones]
                before = torch.cat([torch.zeros_like(x[:, :1]), x], dim=1)[:, :tones]
                made = g.out(g.lstm(torch.relu(g.into(torch.cat([noise, before], dim=2))))[0])
                step(optimizers["g"], (made - x[:, :tones]).pow(2).mean())
                return BATCH
            if shown == pretrain:
                optimizers["g"] = adam(g)
                for group in [*optimizers["g"].param_groups, *optimizers["d"].param_groups]:
                    group["lr"] *= 0.5 if pretrain else 1.0
            moves = last["d"] >= waits * last["g"]
            fake = generated(g, torch.rand(BATCH, TONES, 3).double()).detach()
            loss = -belief(x)[0].log().mean() - (1 - belief(fake)[0]).log().mean()
            last["d"] = loss.item() / 2
            if moves:
                step(optimizers["d"], loss)
            moves = last["g"] >= waits * last["d"]
            fooled, features = belief(generated(g, torch.rand(BATCH, TONES, 3).double()))
            wanted = belief(x)[1].detach()
            loss = {
                "minimax": lambda: (1 - fooled).log().mean(),
                "non_saturating": lambda: -fooled.log().mean(),
                "feature_matching": lambda: (features - wanted).pow(2).mean(),
                "mean_matching": lambda: (features.mean(dim=0) - wanted.mean(dim=0)).pow(2).mean(),
            }[objective]()
            last["g"] = -fooled.log().mean().item()
            if moves:
                step(optimizers["g"], loss)
            system.last_losses.copy_(torch.tensor([last["d"], last["g"]], dtype=torch.float64))
            return BATCH

        return iterate

    return start


@pytest.mark.parametrize("objective", ["minimax", "non_saturating", "feature_matching", "mean_matching"])
def test_a_step_is_that_of_the_paper(objective: str) -> None:
    same_training(lambda: build(objective=objective), by_hand(objective, pretrain=0), fetch)


def test_pre_training_grows_and_ends_in_fresh_optimizers() -> None:
    kimg = BATCH / 1000
    same_training(
        lambda: build(
            pretrain_kimg=2 * kimg, shortest=2, lengthen_kimg=kimg, adversarial_lr=0.5, objective="non_saturating"
        ),
        by_hand("non_saturating", pretrain=2 * BATCH),
        fetch,
    )


def test_a_player_waits_while_its_loss_is_small_beside_the_other_ones() -> None:
    close = {"freeze_below": 0.99, "objective": "non_saturating"}  # so that one waits from the second iteration on
    same_training(lambda: build(**close), by_hand("non_saturating", 0, waits=0.99), fetch)
    system = build(**close).double()
    trainer = Trainer(system, TRAIN, fetch)
    trainer.iterate()
    trainer.history.close_row(0.004)
    before = {
        name: {key: value.clone() for key, value in system.get_submodule(name).state_dict().items()}
        for name in system.players
    }
    trainer.iterate()
    rests = {
        name: all(
            torch.equal(before[name][key], value) for key, value in system.get_submodule(name).state_dict().items()
        )
        for name in system.players
    }
    found = trainer.history.close_row(0.008)
    assert rests == {name: bool(found[f"waits_{name}"]) for name in system.players}
    assert sum(rests.values()) == 1


@pytest.mark.parametrize(("losses", "moving"), [((1, 1), (1, 1)), ((0.6, 1), (0, 1)), ((1, 0.6), (1, 0))])
def test_who_waits_depends_on_both_last_losses(losses: tuple[float, float], moving: tuple[float, float]) -> None:
    system = build(freeze_below=0.7)
    system.last_losses.copy_(torch.tensor(losses))
    assert (system.moves(0), system.moves(1)) == moving


def test_all_processes_decide_by_the_same_losses() -> None:
    system = build(freeze_below=0.7)
    it = Iteration(0, fetch, batch=BATCH, average=lambda value: torch.full_like(value, 5.0))
    steps = system.double().updates(it)
    steps.send(None)
    steps.send(Outcome({"real": torch.tensor(0.1)}, {"real": torch.zeros(4), "fake": torch.zeros(4)}))
    assert system.last_losses.tolist() == [5, 1]


def test_the_length_of_pre_training_is_a_function_of_the_windows_shown() -> None:
    system = build(shortest=2, lengthen_kimg=1.0)
    assert [system.shown_tones(kimg) for kimg in (0.0, 0.999, 1.0, 2.0, 50.0)] == [2, 2, 4, 6, 6]


def test_networks_have_the_parameters_of_their_sources() -> None:
    with torch.device("meta"):
        g, d = EventGenerator(4, 4, 350, 2), EventDiscriminator(4, 350, 2)
    assert sum(values.numel() for values in g.parameters()) == 1_967_354 + 2 * 4 * 350  # one bias per gate more
    assert sum(values.numel() for values in d.parameters()) == 3_943_101
    assert g(torch.empty(3, 7, 4, device="meta")).shape == (3, 7, 4)
    logits, features = d(torch.empty(3, 7, 4, device="meta"))
    assert logits.shape == (3,) and features.shape == (3, 7, 700)


def test_the_logit_is_that_of_the_mean_probability_and_stays_finite() -> None:
    d = build().discriminator.double()
    events = torch.randn(5, TONES, 4, dtype=torch.float64)
    logits, features = d(events)
    torch.testing.assert_close(logits.sigmoid(), d.out(features).squeeze(2).sigmoid().mean(dim=1))
    d.out.bias.data.fill_(2000.0)
    assert torch.isfinite(d(events)[0]).all()


def test_three_tones_may_be_made_in_a_step() -> None:
    system = build(tones_per_step=3, shortest=3)
    assert system.inputs["latent"].shape == (2, 3)
    assert system.generate({"latent": torch.rand(4, 2, 3)})["notes"].shape == (4, TONES, 4)
    Trainer(system, TRAIN, lambda at, n: {"notes": fetch(at, n)["notes"].float()}).iterate()
    with pytest.raises(ConfigError, match="tones 6 is no multiple of tones_per_step 4"):
        parse(CRNNGAN.Config, {**OPTIONS, "tones_per_step": 4, "shortest": 4}, "params.yaml")


def test_what_is_drawn_are_tones_that_midi_can_hold() -> None:
    system = build(ticks=4)
    for parameter in system.generator.parameters():
        parameter.data.mul_(30)
    notes = system.generate({"latent": torch.rand(50, TONES, 3)})["notes"]
    times = notes[..., [LENGTH, WAIT]] * 4
    assert torch.equal(times, times.round()) and notes[..., LENGTH].min() >= 0.25 and notes[..., WAIT].min() >= 0
    for column, low, high in ((PITCH, 0, 127), (INTENSITY, 1, 127)):
        values = notes[..., column]
        assert torch.equal(values, values.round()) and values.min() >= low and values.max() <= high
    assert notes[..., PITCH].unique().numel() > 10  # not all at a limit


@pytest.mark.parametrize(
    ("data", "options"),
    [
        (vectors(4), {}),
        (DataSpec(name="toy", fields={"notes": Field(kind="sequence", shape=(6, 4), names=("a", "b", "c", "d"))}), {}),
        (DATA, {"tones": 8}),
    ],
)
def test_other_data_is_refused(data: DataSpec, options: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="c_rnn_gan.* needs"):
        CRNNGAN(CRNNGAN.Config.model_validate({**OPTIONS, **options}), data)
