"""Checkpoints: whole or not at all, the one before as a fallback, never another experiment's."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import pytest
import torch
from several import several

from ganpipe.config import Train
from ganpipe.core.batch import Batch
from ganpipe.errors import CheckpointError
from ganpipe.files import sha256_of, write_bytes
from ganpipe.training import sealed
from ganpipe.training.checkpoint import BestGenerator, Checkpoints
from ganpipe.training.checks import checkpoint_bytes
from ganpipe.training.loop import Trainer


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path, "mine")


def test_the_newest_is_loaded(checkpoints: Checkpoints) -> None:
    assert checkpoints.load() is None
    for nimg in (1, 2, 3):
        checkpoints.save({"nimg": nimg, "system": {"w": torch.full((2,), float(nimg))}})
    state = checkpoints.load()
    assert state is not None
    assert state["nimg"] == 3
    assert torch.equal(state["system"]["w"], torch.full((2,), 3.0))
    assert sorted(path.name for path in checkpoints.folder.iterdir()) == ["last.pt", "previous.pt"]


@pytest.mark.parametrize("damage", [b"", b"not a checkpoint", None])
def test_a_damaged_newest_falls_back_to_the_one_before(
    checkpoints: Checkpoints, damage: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoints.save({"nimg": 1})
    checkpoints.save({"nimg": 2})
    last = checkpoints.folder / "last.pt"
    last.write_bytes(last.read_bytes()[:-300] if damage is None else damage)
    state = checkpoints.load()
    assert state is not None
    assert state["nimg"] == 1
    assert "last.pt is damaged" in capsys.readouterr().out


def test_a_single_flipped_bit_is_never_resumed_from(checkpoints: Checkpoints) -> None:
    """Wherever it is: the checkpoint before is taken, or the bit changes nothing that is read."""
    checkpoints.save({"nimg": 1})
    content = {"nimg": 2, "kimg": 0.25, "name": "a", "system": {"w": torch.arange(24.0), "on": torch.tensor(True)}}
    checkpoints.save(content)
    last = checkpoints.folder / "last.pt"
    whole = last.read_bytes()
    taken = []
    for place in range(0, len(whole), 7):
        last.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :])
        state = checkpoints.load()
        assert state is not None
        taken.append(state["nimg"])
        assert state["nimg"] == 1 or sealed.sha256({name: state[name] for name in content}) == sealed.sha256(content)
    assert taken.count(1) > len(taken) / 4


def test_a_damaged_preview_falls_back_to_the_checkpoint_before_it(
    checkpoints: Checkpoints, capsys: pytest.CaptureFixture[str]
) -> None:
    previews = {}
    for nimg, name in enumerate(("a.png", "b.png"), start=1):
        write_bytes(checkpoints.previews / name, name.encode())
        previews[name] = sha256_of(checkpoints.previews / name)
        checkpoints.save({"nimg": nimg, "previews": dict(previews)})
    (checkpoints.previews / "b.png").write_bytes(b"")
    state = checkpoints.load()
    assert state is not None and state["nimg"] == 1
    assert "b.png, which is missing or damaged: trying the one before" in capsys.readouterr().out
    (checkpoints.previews / "a.png").unlink()
    with pytest.raises(CheckpointError, match="no checkpoint in it is whole; delete the folder"):
        checkpoints.load()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1}, {"a": 1.0}),
        ({"a": [1, 2]}, {"a": [[1], 2]}),
        ({"a": {}, "b": {}}, {"b": {}, "a": {}}),
        ({"a": torch.zeros(4)}, {"a": torch.zeros(2, 2)}),
        ({"a": torch.zeros(1)}, {"a": -torch.zeros(1)}),
        ({"a": "1", "b": "2"}, {"a": "1b2", "b": ""}),
        ({"a": float("inf")}, {"a": None}),
    ],
)
def test_different_content_has_another_hash(one: dict[str, object], other: dict[str, object]) -> None:
    assert sealed.sha256(one) != sealed.sha256(other)


def test_the_hash_is_of_numbers_and_not_of_their_layout() -> None:
    across = torch.arange(24.0).reshape(1, 2, 3, 4).contiguous(memory_format=torch.channels_last)
    assert sealed.sha256({"a": across}) == sealed.sha256({"a": across.contiguous()})


def test_when_none_can_be_read_nothing_is_overwritten(checkpoints: Checkpoints) -> None:
    checkpoints.save({"nimg": 1})
    (checkpoints.folder / "last.pt").write_bytes(b"junk")
    with pytest.raises(CheckpointError, match="delete the folder to train from the start"):
        checkpoints.load()
    assert (checkpoints.folder / "last.pt").read_bytes() == b"junk"


def test_a_failed_save_leaves_the_newest(checkpoints: Checkpoints) -> None:
    checkpoints.save({"nimg": 1})
    with pytest.raises(TypeError, match="cannot hold function"):
        checkpoints.save({"nimg": 2, "bad": lambda: None})
    state = checkpoints.load()
    assert state is not None
    assert state["nimg"] == 1
    assert not list(checkpoints.folder.glob(".*"))


def test_another_experiments_checkpoint_is_not_taken(checkpoints: Checkpoints, tmp_path: Path) -> None:
    checkpoints.save({"nimg": 1})
    other = Checkpoints(tmp_path, "other")
    assert other.load() is None
    other.folder.mkdir(parents=True)
    (other.folder / "last.pt").write_bytes((checkpoints.folder / "last.pt").read_bytes())
    with pytest.raises(CheckpointError):
        other.load()


def test_a_second_training_waits_for_the_first(checkpoints: Checkpoints, tmp_path: Path) -> None:
    order: list[str] = []

    def second() -> None:
        with Checkpoints(tmp_path, "mine").lock():
            order.append("second")

    thread = threading.Thread(target=second)
    held = checkpoints.lock()  # kept, so that nothing but the end of the block releases it
    with held:
        thread.start()
        thread.join(timeout=0.3)
        assert thread.is_alive()
        order.append("first")
    thread.join(timeout=10)
    assert order == ["first", "second"]


def test_discarding_leaves_nothing(checkpoints: Checkpoints, tmp_path: Path) -> None:
    checkpoints.save({"nimg": 1})
    with checkpoints.lock():
        pass
    checkpoints.discard()
    checkpoints.discard()
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["mine.lock"]  # another may be waiting on it


def test_a_running_training_is_not_discarded(checkpoints: Checkpoints, tmp_path: Path) -> None:
    checkpoints.save({"nimg": 1})
    with checkpoints.lock():
        Checkpoints(tmp_path, "mine").discard()
        assert checkpoints.load() is not None
    Checkpoints(tmp_path, "mine").discard()
    assert checkpoints.load() is None


def test_a_full_disk_is_named_and_the_newest_stays(checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints.save({"nimg": 1})

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(CheckpointError, match="no checkpoint can be written: .*last.pt: No space left.*make room"):
        checkpoints.save({"nimg": 2})
    state = checkpoints.load()
    assert state is not None
    assert state["nimg"] == 1


def test_a_recorded_generator_is_told_from_one_that_dvc_does_not_know_yet(
    checkpoints: Checkpoints, tmp_path: Path
) -> None:
    weights, lock = tmp_path / "generator.safetensors", tmp_path / "dvc.lock"
    weights.write_bytes(b"weights")
    assert not checkpoints.is_recorded(lock)
    checkpoints.save({"nimg": 1})
    checkpoints.note_published(weights)
    assert not checkpoints.is_recorded(lock)
    lock.write_text("outs: [{path: a, md5: 0123}]")
    assert not checkpoints.is_recorded(lock)
    lock.write_text("outs: [{path: generator.safetensors, md5: " + hashlib.md5(b"weights").hexdigest() + "}]")
    assert checkpoints.is_recorded(lock)


TRAIN = Train.model_validate(
    {"kimg": 1, "batch": 4, "lr": 0.1, "optimizer": {"name": "adam"}, "preview_kimg": 1, "log_kimg": 1}
    | {"ema_half_life_kimg": 0.01}
)


def fetch(position: int, count: int) -> Batch:
    return {"vector": torch.randn(count, 2, generator=torch.Generator().manual_seed(position))}


def test_frozen_networks_are_in_no_checkpoint_and_the_rest_comes_back(checkpoints: Checkpoints) -> None:
    trainer, resumed = Trainer(several(), TRAIN, fetch), Trainer(several(seed=1), TRAIN, fetch)
    trainer.iterate()
    checkpoints.save(trainer.state())
    state = checkpoints.load()
    assert state is not None
    assert {name.partition(".")[0] for name in state["system"]} == {"generator", "discriminator", "level"}
    assert not [name for name in state["ema"] if "features" in name]
    resumed.restore(state)
    for training in (trainer, resumed):
        training.iterate()
    for (name, one), other in zip(
        trainer.system.state_dict().items(), resumed.system.state_dict().values(), strict=True
    ):
        assert torch.equal(one, other), name
    assert resumed.system.level == 0.5


def test_the_size_of_a_checkpoint_is_foreseen_without_what_is_frozen() -> None:
    trainer = Trainer(several(), TRAIN, fetch)
    generator, discriminator, level = (3 * 2 + 2) + (2 * 2 + 2), 2 + 1, 1
    numbers = generator + discriminator + level + generator + 2 * (generator + discriminator)
    assert checkpoint_bytes(trainer) == 4 * numbers  # networks, average, Adam's two numbers per weight


def test_the_best_generators_are_put_back_with_all_their_networks() -> None:
    system, best = several(), BestGenerator()
    best.offer(2.0, system)
    wanted = {name: value.clone() for name, value in system.generator.state_dict().items()}
    with torch.no_grad():
        for parameter in system.parameters():
            parameter.add_(1.0)
    best.offer(3.0, system)  # worse
    again = BestGenerator()
    again.load_state_dict(best.state_dict())
    again.put_into(system)
    assert again.score == 2.0
    for name, value in system.generator.state_dict().items():
        assert torch.equal(value, wanted[name]), name
