"""Faults in every stage, each followed by a clean run: are all outputs the bytes of an undisturbed run, or is it said?

    python benchmarks/faults.py                        # the recipes of RECIPES, 40 faults for each kind
    python benchmarks/faults.py --each 5 --seed 3 --recipe pattern-1010
    python benchmarks/faults.py --sample 60            # as many in all, of all kinds

Printed are, kind by kind: injected, survived (byte for byte), refused (in a line, with exit code 1 or 2), damaged
(exit code 0 and other bytes), unclear (neither, or it hangs) and tracebacks. The exit code is 1 where one of the last
three is not 0. The stages run in children of one process that has imported everything. Without a C compiler the faults
at single file operations are left out, which a line says.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

os.environ.update(OMP_NUM_THREADS="1", OMP_WAIT_POLICY="PASSIVE", DO_NOT_TRACK="true")
os.environ["MLFLOW_DISABLE_TELEMETRY"] = os.environ["DVC_TEST"] = "true"
sys.path[:0] = [
    str(Path(__file__).parent),
    str(Path(__file__).parent.parent),
    str(Path(__file__).parent.parent / "tests"),
]

import faults_workspace as workspaces  # noqa: E402 - found through the path above
from faults_workspace import CHECKPOINTS, OUTS, Ended, Fault, Workspace  # noqa: E402

RECIPES = ("pattern-1010", "digits-uci-cyclegan", "digits-progan", "digits-text", "chorales-crnngan")
"""A table, a translation, growth, texts and sequences: data that comes with the packages, nothing is fetched."""

SURVIVED, REFUSED, DAMAGED, UNCLEAR, TRACEBACK = "survived", "refused", "damaged", "unclear", "traceback"
VERDICTS = (SURVIVED, REFUSED, DAMAGED, UNCLEAR, TRACEBACK)

AT_OPERATIONS: Mapping[str, int] = {
    "killed": workspaces.KILL,
    "torn write": workspaces.TORN,
    "I/O error": workspaces.EIO,
    "disk full": workspaces.FULL,
    "SIGTERM": workspaces.TERM,
    "Ctrl-C": workspaces.INTR,
    "read error": workspaces.EIO_READ,
}
LIMITS: Mapping[str, Callable[[random.Random], Fault]] = {
    "file size": lambda rng: Fault(limits={resource.RLIMIT_FSIZE: rng.choice([0, 100, 5_000, 50_000])}),
    "memory": lambda rng: Fault(limits={resource.RLIMIT_DATA: rng.choice([1 << 20, 500 << 20, 1 << 30])}),
    "open files": lambda rng: Fault(limits={resource.RLIMIT_NOFILE: rng.choice([12, 16, 20])}),
}
INPUTS: Mapping[str, tuple[str, ...]] = {
    "pack": ("data/raw",),
    "train": ("data/packed",),
    "sample": ("data/model", "data/packed"),
    "reference": ("data/packed",),
    "evaluate": ("data/reference", "data/packed", "data/samples/samples.h5", "data/samples/photographs"),
}
"""What each stage reads of what earlier ones left."""


def flipped(path: Path, rng: random.Random) -> None:
    """Flip one bit."""
    content = bytearray(path.read_bytes())
    if content:
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def cut(path: Path, rng: random.Random) -> None:
    """Lose the end."""
    os.truncate(path, rng.randrange(max(1, path.stat().st_size)))


def zeroed(path: Path, rng: random.Random) -> None:
    """Lose a block of 4 KiB to zeros."""
    content = bytearray(path.read_bytes())
    at = rng.randrange(max(1, len(content)))
    content[at : at + 4096] = bytes(len(content[at : at + 4096]))
    path.write_bytes(content)


def longer(path: Path, rng: random.Random) -> None:
    """Gain some bytes at the end."""
    with path.open("ab") as file:
        file.write(rng.randbytes(rng.randrange(1, 100)))


def gone(path: Path, rng: random.Random) -> None:
    """Be deleted."""
    path.unlink()


def a_folder(path: Path, rng: random.Random) -> None:
    """Be a folder."""
    path.unlink()
    path.mkdir()


def a_loop(path: Path, rng: random.Random) -> None:
    """Be a link to itself."""
    path.unlink()
    path.symlink_to(path.name)


DAMAGES = {
    "bit": flipped,
    "cut": cut,
    "zeros": zeroed,
    "longer": longer,
    "gone": gone,
    "folder": a_folder,
    "loop": a_loop,
}


@dataclass(frozen=True)
class Trial:
    """One fault: its kind, where it was injected, and what came of it."""

    kind: str
    where: str
    verdict: str
    said: str


@dataclass
class Bench:
    """A finished workspace of one recipe, in whose copies faults are injected."""

    recipe: str
    base: Workspace
    folder: Path
    rng: random.Random

    def __post_init__(self) -> None:
        self._counts: dict[tuple[str, bool], int] = {}

    def at_operation(self, kind: str) -> Trial:
        """Let one file operation of a stage fail, and run it again."""
        stage, mode = self.rng.choice(list(OUTS)), AT_OPERATIONS[kind]
        at = self.rng.randrange(self._operations(stage, reads=mode == workspaces.EIO_READ))
        return self._interrupted(kind, stage, Fault(mode, at), f"operation {at}")

    def under_a_limit(self, kind: str) -> Trial:
        """Run a stage under a limit of the system, and again without."""
        stage, fault = self.rng.choice(list(OUTS)), LIMITS[kind](self.rng)
        return self._interrupted(kind, stage, fault, f"{next(iter(fault.limits.values()))}")

    def damaged_input(self, kind: str) -> Trial:
        """Damage a file that a stage reads, and run it."""
        stage = self.rng.choice(list(INPUTS))
        work = self.base.copy(self._place(), stage)
        return self._judged(kind, stage, work, self.rng.choice(work.files(*INPUTS[stage])))

    def damaged_checkpoint(self, kind: str) -> Trial:
        """Kill a training on its way, damage a file of its state, and go on."""
        work = self.base.copy(self._place(), "train")
        if workspaces.shim() is not None:
            work.run("train", Fault(workspaces.KILL, self.rng.randrange(self._operations("train") * 3 // 4)))
        found = [path for path in work.files(CHECKPOINTS) if path.suffix != ".lock"]
        return self._judged(kind, "train", work, self.rng.choice(found)) if found else self.damaged_checkpoint(kind)

    def two_at_once(self, kind: str) -> Trial:
        """Run a stage twice at the same time, and once more."""
        stage = self.rng.choice(list(OUTS))
        work = self.base.copy(self._place(), stage)
        said = [work.folder.with_suffix(f".{number}") for number in "ab"]
        started = []
        for path in said:
            path.unlink(missing_ok=True)
            started.append(work.start(stage, Fault(), path))
            time.sleep(self.rng.uniform(0, 0.1))
        ended = [Ended(workspaces.waited(one), path.read_text()) for one, path in zip(started, said, strict=True)]
        return self._after(kind, stage, "both", work, ended)

    def _place(self) -> Path:
        return self.folder / "trial"

    def _operations(self, stage: str, reads: bool = False) -> int:
        if (stage, reads) not in self._counts:
            mode = workspaces.COUNT_READS if reads else workspaces.COUNT
            self._counts[stage, reads] = self.base.copy(self._place(), stage).count(stage, mode)
        return max(1, self._counts[stage, reads])

    def _interrupted(self, kind: str, stage: str, fault: Fault, where: str) -> Trial:
        work = self.base.copy(self._place(), stage)
        ended = work.run(stage, fault)
        return self._after(kind, stage, where, work, [ended])

    def _after(self, kind: str, stage: str, where: str, work: Workspace, ended: list[Ended]) -> Trial:
        """Judge what stages left that may have ended early, and what a clean run makes of it."""
        wanted = self.base.digest(stage)
        verdict = _of_faulted(ended, work.digest(stage) == wanted)
        if verdict is None:
            if self.rng.random() < 0.5:
                work.remove(stage)  # as DVC does
            ended = [*ended, again := work.run(stage)]
            verdict = _of_clean(again, work.digest(stage) == wanted)
        return Trial(kind, f"{self.recipe} {stage} {where}", verdict, _last(ended))

    def _judged(self, kind: str, stage: str, work: Workspace, path: Path) -> Trial:
        """Damage a file, run a stage that reads it, and judge that run."""
        damage, name = self.rng.choice(list(DAMAGES)), path.relative_to(work.folder)
        DAMAGES[damage](path, self.rng)
        ended = work.run(stage)
        verdict = _of_clean(ended, work.digest(stage) == self.base.digest(stage))
        return Trial(kind, f"{self.recipe} {stage} {damage} {name}", verdict, _last([ended]))


def _of_faulted(ended: list[Ended], same: bool) -> str | None:
    """Return the verdict of runs that met a fault; None: the next run decides."""
    if any(one.traceback for one in ended):
        return TRACEBACK
    if any(one.code is None for one in ended):
        return UNCLEAR
    return DAMAGED if all(one.code == 0 for one in ended) and not same else None


def _of_clean(ended: Ended, same: bool) -> str:
    """Return the verdict of a run that met no fault itself."""
    if ended.traceback:
        return TRACEBACK
    if ended.code == 0:
        return SURVIVED if same else DAMAGED
    return REFUSED if ended.in_a_line else UNCLEAR


def _last(ended: list[Ended]) -> str:
    """Return exit codes and what was printed, all of it where there is a traceback."""
    return " | ".join(f"{one.code}: {one.said if one.traceback else one.said.strip()[-300:]}" for one in ended)


def kinds(bench: Bench) -> dict[str, Callable[[str], Trial]]:
    """Return all kinds of faults that can be injected on this machine, with what injects one."""
    found: dict[str, Callable[[str], Trial]] = {}
    if workspaces.shim() is not None:
        found |= dict.fromkeys(AT_OPERATIONS, bench.at_operation)
        found["damaged checkpoint"] = bench.damaged_checkpoint
    found |= dict.fromkeys(LIMITS, bench.under_a_limit)
    return found | {"damaged input": bench.damaged_input, "two at once": bench.two_at_once}


def run(benches: list[Bench], each: int, most: int | None) -> list[Trial]:
    """Inject `each` faults of every kind in every recipe; `most` in all, kinds and recipes in turn."""
    trials: list[Trial] = []
    for _ in range(each if most is None else most):
        for kind in kinds(benches[0]):
            turn = benches if most is None else [benches[len(trials) % len(benches)]]
            for bench in turn:
                if most is not None and len(trials) >= most:
                    return trials
                trial = kinds(bench)[kind](kind)
                trials.append(trial)
                if trial.verdict not in (SURVIVED, REFUSED):
                    print(f"{trial.verdict}: {trial.kind}: {trial.where}: {trial.said}", flush=True)
    return trials


def table(trials: list[Trial]) -> str:
    """Return the numbers of verdicts, kind by kind."""
    found = {kind: Counter(one.verdict for one in trials if one.kind == kind) for kind in {one.kind for one in trials}}
    rows = [("", "injected", *VERDICTS)]
    rows += [(kind, found[kind].total(), *(found[kind][one] for one in VERDICTS)) for kind in sorted(found)]
    rows.append(("all", len(trials), *(Counter(one.verdict for one in trials)[one] for one in VERDICTS)))
    return "\n".join(f"{row[0]:<20}" + "".join(f"{cell:>11}" for cell in row[1:]) for row in rows)


def miniature_of(recipe: str) -> str:
    """Return the params of a recipe at a size that trains in a second, with a checkpoint after every step."""
    from miniatures import changed, miniature, offline, small_pictures

    from ganpipe import recipes
    from ganpipe.config import load_params

    params = miniature(offline(small_pictures(load_params(recipes.path_of(recipe)))))
    quick = {"extractors": ["pixel"]} if "domain" in params.evaluate.extractors else {}
    params = changed(params, runtime={"checkpoint_seconds": 0.001, "workers": 1}, evaluate=quick)
    return workspaces.described(params.model_dump(mode="json"))


def main() -> int:
    """Inject, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--each", type=int, default=40, help="faults of each kind for each recipe")
    parser.add_argument("--sample", type=int, help="so many faults in all, of all kinds")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--recipe", action="append", help="may be repeated")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ganpipe-faults-") as name:
        shared = Path(os.environ.setdefault("GANPIPE_FAULTS", name))
        workspaces.preloaded(shared)
        began = time.monotonic()
        workspaces.import_everything()
        benches = []
        for number, recipe in enumerate(asked.recipe or RECIPES):
            folder = shared / recipe
            base = workspaces.made_base(folder / "base", lambda _, recipe=recipe: miniature_of(recipe))
            benches.append(Bench(recipe, base, folder, random.Random(f"{asked.seed} {number}")))
            print(f"{recipe}: ready after {time.monotonic() - began:.0f} s", flush=True)
        trials = run(benches, asked.each, asked.sample)
        shutil.rmtree(shared, ignore_errors=True)
    print(table(trials))
    print(f"{len(trials)} faults in {time.monotonic() - began:.0f} s, seed {asked.seed}")
    return int(any(trial.verdict not in (SURVIVED, REFUSED) for trial in trials))


if __name__ == "__main__":
    sys.exit(main())
