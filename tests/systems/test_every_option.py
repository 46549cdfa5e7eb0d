"""Every option of every system changes what it says: no key of `Config` is read in vain, at the first steps neither."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from miniatures import changed, miniature
from pydantic import ValidationError

from ganpipe import paths, systems
from ganpipe.config import Params
from ganpipe.data.packed.file import Packed
from ganpipe.errors import ConfigError
from ganpipe.training.loop import Trainer
from ganpipe.training.stage import prepare

ITERATIONS = 3
Options = Mapping[str, Any]
Case = tuple[Any, Options]  # the value of the key, and what else must be set for it to matter

RECIPES = {
    "dcgan": "digits-dcgan",
    "conditional_gan": "digits-cgan",
    "mlp_gan": "digits-mlp",
    "wgan": "digits-wgan",
    "wgan_gp": "digits-wgan-gp",
    "pattern_gan": "pattern-1010",
    "pix2pix": "glyphs-pix2pix",
    "cyclegan": "digits-uci-cyclegan",
    "stargan": "tones-stargan",
    "progan": "digits-progan",
    "r3gan": "digits-r3gan",
    "srgan": "photos-srgan",
    "esrgan": "photos-esrgan",
    "style": "photos-style",
    "c_rnn_gan": "chorales-crnngan",
    "text_to_image": "digits-text",
}

BATCHES = {"dcgan": 20}  # two of each class, which the balance of classes needs

NOW = {"pretrain_kimg": 0.008}  # the second phase begins with the second iteration

CASES: dict[str, dict[str, Case]] = {
    "dcgan": {
        "latent": (5, {}),
        "features": (3, {}),
        "network": ("dense_start", {}),
        "objective": ("hinge", {}),
        "spectral_norm": (True, {}),
        "minibatch_std": (4, {}),
        "augment": (["translation"], {}),
        "r1_weight": (1.0, {}),
        "r1_every": (2, {"r1_weight": 1.0}),
        "instance_noise": (0.1, {}),
        "instance_noise_until_kimg": (0.016, {"instance_noise": 0.1}),
        "real_label": (0.9, {}),
        "flip_real_labels": (0.5, {}),
        "diversity_weight": (1.0, {}),
        "class_balance_weight": (1.0, {}),
    },
    "conditional_gan": {
        "latent": (5, {}),
        "network": ("mlp", {}),
        "features": (3, {}),
        "widths": ([9], {"network": "mlp"}),
        "discriminator": ("projection", {}),
        "condition": ("attributes", {}),
        "attributes": (["Smiling"], {}),
        "objective": ("hinge", {}),
        "mismatched": (False, {}),
        "augment": (["translation"], {}),
    },
    "mlp_gan": {
        "latent": (5, {}),
        "latent_distribution": ("uniform", {}),
        "generator_widths": ([9, 9, 9, 9], {}),
        "generator_norm": ("layer", {}),
        "discriminator_widths": ([9, 9], {}),
        "discriminator_norm": ("layer", {}),
        "activation": ("leaky_relu", {}),
        "leaky_slope": (0.2, {"activation": "leaky_relu"}),
        "pixels": ("tanh", {}),
        "shown_pixels": ("unit", {}),
        "objective": ("hinge", {}),
        "separate_steps": (True, {}),
        "unpaired_l1_weight": (1.0, {}),
    },
    "wgan": {
        "latent": (5, {}),
        "features": (3, {}),
        "n_critic": (1, {"long_n_critic": None}),
        "clip": (0.5, {}),
        "long_n_critic": (4, {}),
        "first_long_steps": (1, {"long_n_critic": 4}),
        "long_step_every": (2, {"long_n_critic": 4, "first_long_steps": 0}),
    },
    "wgan_gp": {
        "latent": (5, {}),
        "features": (3, {}),
        "network": ("mnist", {}),
        "n_critic": (1, {}),
        "penalty_weight": (1.0, {}),
        "generator_latents_per_image": (2, {}),
    },
    "pattern_gan": {"seed_value": (0.4, {}), "hidden": (2, {})},
    "pix2pix": {
        "direction": ("b_to_a", {}),
        "features": (3, {}),
        "features_discriminator": (3, {}),
        "patch_layers": (1, {}),
        "objective": ("least_squares", {}),
        "adversarial_weight": (0.5, {}),
        "penalty_weight": (1.0, {"objective": "wasserstein_gp"}),
        "l1_weight": (10.0, {}),
        "dropout": (0.1, {}),
        "upsampling": ("nearest", {}),
    },
    "cyclegan": {
        "features": (3, {}),
        "blocks": (1, {}),
        "features_discriminator": (3, {}),
        "patch_layers": (2, {}),
        "cycle_weight": (1.0, {}),
        "identity_weight": (0.0, {}),
        "pool": (1, {}),
        "upsampling": ("nearest", {}),
    },
    "stargan": {
        "condition": ("attributes", {}),
        "attributes": (["Smiling"], {}),
        "features": (3, {}),
        "blocks": (1, {}),
        "features_discriminator": (3, {}),
        "n_critic": (2, {}),
        "penalty_weight": (1.0, {}),
        "domain_weight": (5.0, {}),
        "cycle_weight": (1.0, {}),
        "identity_weight": (0.0, {}),
        "upsampling": ("transposed", {}),
    },
    "progan": {
        "latent": (5, {}),
        "features_base": (64, {"features_base": 32, "features_most": 8}),
        "features_most": (3, {}),
        "stable_kimg": ([0.008], {}),
        "fade_kimg": ([0.008], {"stable_kimg": [0.008]}),
        "batches": ([4], {}),
        "penalty_weight": (1.0, {}),
        "drift_weight": (1.0, {}),
    },
    "r3gan": {
        "latent": (5, {}),
        "network": ("r3gan", {}),
        "features": (3, {}),
        "features_most": (3, {"network": "r3gan"}),
        "hidden": (7, {}),
        "blocks": (1, {"network": "r3gan"}),
        "gamma": (5.0, {}),
        "gamma_end": (3.0, {}),
        "lr_end": (0.9, {}),
        "decay_kimg": (0.01, {}),
        "augment": (["translation"], {}),
    },
    "srgan": {
        "trunk": ("random-1", NOW),
        "layers": (["relu1_1"], NOW),
        "features": (3, {}),
        "blocks": (1, {}),
        "bicubic_skip": (False, {}),
        "features_discriminator": (3, NOW),
        "dense_discriminator": (5, NOW),
        "pretrain_kimg": (0.016, {}),
        "adversarial_lr": (0.5, NOW),
        "lower_lr_from_kimg": (0.016, NOW),
        "perceptual_weight": (0.1, NOW),
        "adversarial_weight": (0.1, NOW),
    },
    "esrgan": {
        "trunk": ("random-1", NOW),
        "layers": (["conv1_1"], NOW),
        "features": (3, {}),
        "blocks": (1, {}),
        "growth": (1, {}),
        "bicubic_skip": (False, {}),
        "features_discriminator": (3, NOW),
        "dense_discriminator": (5, NOW),
        "pretrain_kimg": (0.016, {}),
        "halve_pretrain_kimg": (0.008, {}),
        "adversarial_lr": (0.25, NOW),
        "halve_at_kimg": ([0.008], NOW),
        "perceptual_weight": (0.1, NOW),
        "adversarial_weight": (0.1, NOW),
        "l1_weight": (1.0, NOW),
    },
    "style": {
        "trunk": ("random-1", {}),
        "content_layers": (["relu1_2"], {}),
        "style_layers": (["relu1_2"], {}),
        "features": (3, {}),
        "blocks": (1, {}),
        "features_discriminator": (3, {}),
        "patch_layers": (1, {}),
        "content_weight": (5.0, {}),
        "style_weight": (5.0, {}),
        "variation_weight": (5.0, {}),
        "adversarial_weight": (5.0, {}),
    },
    "c_rnn_gan": {
        "tones": (8, {}),
        "tones_per_step": (2, {}),
        "latent": (3, {}),
        "units": (5, {}),
        "units_discriminator": (5, {}),
        "lstm_layers": (1, {}),
        "pretrain_kimg": (0.008, {}),
        "shortest": (5, {"pretrain_kimg": 1.0}),
        "lengthen_kimg": (0.008, {"pretrain_kimg": 1.0}),
        "adversarial_lr": (0.5, {"pretrain_kimg": 0.0}),
        "objective": ("minimax", {"pretrain_kimg": 0.0}),
        "freeze_below": (0.0, {"pretrain_kimg": 0.0, "objective": "non_saturating", "freeze_below": 0.99}),
    },
    "text_to_image": {
        "latent": (5, {}),
        "width": (12, {}),
        "heads": (2, {}),
        "depth": (1, {}),
        "patch": (14, {}),
        "features": (3, {}),
        "features_discriminator": (8, {}),
        "adversarial_weight": (0.5, {}),
        "mismatched": (False, {}),
        "swapped": (False, {}),
        "ma_gp_weight": (1.0, {}),
        "ma_gp_power": (2.0, {"ma_gp_weight": 1.0}),
        "l1_weight": (5.0, {}),
        "l2_weight": (5.0, {}),
        "pixel_decay_kimg": (0.01, {}),
    },
}

ELSEWHERE = {"c_rnn_gan": {"ticks"}, "style": {"pixel_steps"}}
"""Options that matter for drawing alone and that tests of the pictures cover: `music` and `gatys`."""


def options(system: str) -> set[str]:
    return set(importlib.import_module(f"ganpipe.systems.configs.{system}").Config.model_fields)


def test_the_table_holds_every_option_of_every_system() -> None:
    drawing = {name: set(systems.system_class(name).Config.drawing) for name in systems.SYSTEMS}
    assert {name: options(name) - drawing[name] for name in systems.SYSTEMS} == {
        name: set(cases) for name, cases in CASES.items()
    }
    assert all(names <= drawing[name] for name, names in ELSEWHERE.items())


def weights(params: Params, packed: Packed) -> dict[str, torch.Tensor]:
    """What some iterations leave: the state of the system."""
    prepared = prepare(params, packed, torch.device("cpu"))
    trainer = Trainer(prepared.system, params.train, prepared.sampler.fetch)
    for _ in range(ITERATIONS):
        trainer.iterate()
    return prepared.system.state_dict()


def equal(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


@pytest.mark.parametrize("system", CASES)
def test_every_option_changes_the_training(system: str, workspace: Callable[[str], Params]) -> None:
    """A value that the data refuses, naming the key, is not read in vain either."""
    base = changed(miniature(workspace(RECIPES[system])), train={"batch": BATCHES.get(system, 8)})
    packed = Packed.open(paths.PACKED_FILE)
    found: dict[str, dict[str, torch.Tensor]] = {}
    vain = []
    for name, (value, others) in CASES[system].items():
        before = changed(base, system=dict(others))
        assert before.system.options[name] != value, f"{name} has this value already"
        if (key := str(sorted(others.items()))) not in found:
            found[key] = weights(before, packed)
        try:
            after = weights(changed(before, system={name: value}), packed)
        except (ConfigError, ValidationError) as refusal:
            assert re.search(rf"\b{name}\b", str(refusal)), refusal
            continue
        if equal(found[key], after):
            vain.append(name)
    assert vain == []
