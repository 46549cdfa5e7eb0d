"""Trunks from files and seeds, and a system that is judged by one: frozen, named by its hash, known to params."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from conditional import add_to_table
from specs import images
from torch import Tensor, nn
from torchvision.models.vgg import cfgs, make_layers

import ganpipe
from ganpipe.config import Train, parse
from ganpipe.config.choices import Trunk as TrunkName
from ganpipe.core.batch import Batch, batch_size
from ganpipe.core.inputs import Input, Noise
from ganpipe.core.spec import DataSpec
from ganpipe.core.system import Iteration, System, Terms, Update, Updates
from ganpipe.errors import CheckpointError, ConfigError
from ganpipe.nets.vgg import VGG
from ganpipe.nets.vgg_layouts import HED_PIXELS, HED_VGG16, IMAGENET, TORCHVISION_VGG19, Layout
from ganpipe.pretrained import table
from ganpipe.pretrained.trunks import load_trunk
from ganpipe.sampling.published import publish_generator
from ganpipe.systems.configs import SystemConfig
from ganpipe.training.loop import Trainer
from ganpipe.training.stage import named_after_frozen


class Judged(System):
    """Makes images whose features resemble those of real ones."""

    class Config(SystemConfig):
        trunk: TrunkName = "random-0"

        @property
        def inputs(self) -> Mapping[str, Input]:
            return {"latent": Noise((3,))}

    adversaries = ()
    frozen = ("trunk",)

    def __init__(self, cfg: Config, data: DataSpec) -> None:
        super().__init__(cfg, data)
        shape = data.image_shape("image", "judged")
        self.generator = nn.Sequential(nn.Linear(3, int(np.prod(shape))), nn.Unflatten(1, shape), nn.Tanh())
        self.trunk = VGG(load_trunk(cfg.trunk), ["relu2_1"])

    def updates(self, it: Iteration) -> Updates:
        yield Update("generator", self.generator_loss, it.next_batch())

    def generator_loss(self, batch: Batch) -> Terms:
        fake = self.generator(self.draw("latent", batch_size(batch)))
        wanted = self.trunk(batch["image"])["relu2_1"]
        return {"features": (self.trunk(fake)["relu2_1"] - wanted).square().mean() / wanted.square().mean()}


def judged(trunk: str = "random-0") -> Judged:
    torch.manual_seed(0)
    return Judged(Judged.Config(trunk=trunk), images((3, 8, 8)))


def fetch(position: int, count: int) -> Batch:
    generator = torch.Generator().manual_seed(position)
    return {"image": torch.rand(count, 3, 8, 8, generator=generator) * 2 - 1}


# Random trunks.


def test_a_random_trunk_is_the_same_for_its_seed_and_another_for_another() -> None:
    one, same, other = (load_trunk(name) for name in ("random-5", "random-5", "random-6"))
    assert one.name == "random-5" and one.layout == TORCHVISION_VGG19
    kernels = [trunk.conv("conv3_2")[0] for trunk in (one, same, other)]
    assert torch.equal(kernels[0], kernels[1]) and not torch.equal(kernels[0], kernels[2])
    assert not torch.equal(one.conv("conv4_2")[0], one.conv("conv4_3")[0])
    assert not one.conv("conv3_2")[1].any()
    assert VGG(one, ["relu1_1"]).state_dict()["convs.conv1_1.weight"].std() == pytest.approx((2 / 27) ** 0.5, rel=0.1)


def test_a_random_trunk_is_the_same_on_every_machine() -> None:
    kernel = load_trunk("random-0").conv("conv1_1")[0].numpy()
    assert (
        hashlib.sha256(kernel.tobytes()).hexdigest()
        == "a8c280c883e5444feaf29d3db178af7f21b165c8d66c6bef0cf9c2213de1b088"
    )


def test_a_random_trunk_keeps_the_signal_alive_in_every_layer() -> None:
    relus = [name for name in TORCHVISION_VGG19.layers if name.startswith("relu")]
    found = VGG(load_trunk("random-0"), relus)(fetch(0, 2)["image"].repeat(1, 1, 4, 4))
    alive = {name: float((maps > 0).float().mean()) for name, maps in found.items()}
    assert min(alive.values()) > 0.3 and max(alive.values()) < 0.7
    assert all(0.1 < float(maps.square().mean()) < 10 for maps in found.values())


@pytest.mark.parametrize("name", ["vgg16", "random", "random-x", "minilm"])
def test_what_is_no_trunk_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"load_trunk: trunk '{name}' is unknown.*allowed: hed, vgg19, random-SEED"):
        load_trunk(name)


# Published files, in miniature where they cannot be fetched in a test.


def place(monkeypatch: pytest.MonkeyPatch, entry: table.Weights, path: Path) -> None:
    """Let the file at `path` pass for the published one."""
    content = path.read_bytes()
    file = replace(entry.files[0], size=len(content), sha256=hashlib.sha256(content).hexdigest())
    monkeypatch.setitem(table.TABLE, entry.name, replace(entry, files=(file,)))  # type: ignore[arg-type]
    folder = Path(".ganpipe/weights") / entry.name
    folder.mkdir(parents=True)
    (folder / file.name).write_bytes(content)


def test_torchvisions_file_gives_torchvisions_features(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(1)
    features = make_layers(cfgs["E"], batch_norm=False)
    torch.save({f"features.{name}": value for name, value in features.state_dict().items()}, here / "net.pth")
    place(monkeypatch, table.VGG19, here / "net.pth")
    trunk = load_trunk("vgg19")
    assert trunk.layout.preparation == IMAGENET
    image = fetch(0, 1)["image"].repeat(1, 1, 4, 4)
    mean, std = (torch.tensor(values)[:, None, None] for values in (IMAGENET.mean, IMAGENET.std))
    with torch.no_grad():
        expected = features[:35](((image + 1) / 2 - mean) / std)
    assert torch.allclose(VGG(trunk, ["conv5_4"])(image)["conv5_4"], expected, atol=1e-6)


def test_keras_kernels_are_turned_to_torchs(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    kernels: dict[str, np.ndarray] = {}
    with h5py.File(here / "net.h5", "w") as file:
        for name in HED_VGG16.convolutions:
            narrow, wide = HED_VGG16.channels(name)
            group = f"block{name[4]}/layers/conv2d" + {"1": "", "2": "_1", "3": "_2"}[name[6]]
            kernels[name] = random.standard_normal((3, 3, narrow, wide), dtype=np.float32)
            file[f"{group}/vars/0"], file[f"{group}/vars/1"] = kernels[name], np.arange(wide, dtype=np.float32)
    place(monkeypatch, table.HED, here / "net.h5")
    trunk = load_trunk("hed")
    assert trunk.layout.preparation == HED_PIXELS and len(kernels) == 13
    for name, kernel in kernels.items():
        weight, bias = trunk.conv(name)
        assert weight[7, 2, 0, 1] == kernel[0, 1, 2, 7] and bias[7] == 7


# A system that is judged by a trunk.


def test_the_hash_of_a_training_names_the_trunk() -> None:
    names = [named_after_frozen("plain", judged(trunk)) for trunk in ("random-0", "random-0", "random-1")]
    assert names[0] == names[1] != names[2] and "plain" not in names
    assert list(judged().frozen_sha256) == ["trunk"]


@pytest.mark.parametrize(
    "layout",
    [
        replace(TORCHVISION_VGG19, preparation=replace(IMAGENET, channels="bgr")),
        replace(TORCHVISION_VGG19, preparation=replace(IMAGENET, full=255.0)),
        replace(TORCHVISION_VGG19, preparation=replace(IMAGENET, mean=(0.5, 0.5, 0.5))),
    ],
    ids=["channels", "range", "mean"],
)
def test_so_does_what_the_trunk_expects_of_its_input(layout: Layout) -> None:
    system, known = judged(), judged().frozen_sha256
    system.trunk = VGG(replace(load_trunk("random-0"), layout=layout), ["relu2_1"])
    assert system.frozen_sha256 != known


def test_params_know_the_trunk_and_refuse_another_name() -> None:
    assert parse(Judged.Config, {"trunk": "hed"}, "params.yaml", prefix="system.").model_dump() == {"trunk": "hed"}
    with pytest.raises(
        ConfigError, match=r"params.yaml: system.trunk.*'vgg' is no trunk; there are hed, vgg19 and random"
    ):
        parse(Judged.Config, {"trunk": "vgg"}, "params.yaml", prefix="system.")


def test_a_system_learns_through_its_trunk_which_stays_as_it_is() -> None:
    system = judged()
    base = {"kimg": 1, "batch": 8, "lr": 0.01, "optimizer": {"name": "adam"}, "preview_kimg": 1, "log_kimg": 1}
    trainer = Trainer(system, Train.model_validate(base), fetch)
    before, trunk = [p.detach().clone() for p in system.generator.parameters()], system.frozen_sha256

    def loss() -> float:
        torch.manual_seed(1)
        with torch.no_grad():
            value: Tensor = system.generator_loss(fetch(0, 32))["features"]
        return float(value)

    start = loss()
    for _ in range(10):
        trainer.iterate()
    assert loss() < start
    assert all((ours != theirs).any() for ours, theirs in zip(system.generator.parameters(), before, strict=True))
    assert system.frozen_sha256 == trunk and all(p.grad is None for p in system.trunk.parameters())
    assert not [name for name in system.state_dict() if name.startswith("trunk")]


def test_a_published_generator_wants_the_trunk_of_its_training(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_to_table(monkeypatch, Judged)
    publish_generator(judged("random-3"), here, "fingerprint")
    assert ganpipe.load_generator(here).sample(2, seed=0).shape == (2, 8, 8, 3)
    monkeypatch.setitem(globals(), "load_trunk", lambda name, real=load_trunk: real("random-4"))
    with pytest.raises(CheckpointError, match="frozen network trunk has other weights here"):
        ganpipe.load_generator(here)
