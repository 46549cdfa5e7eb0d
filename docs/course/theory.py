"""The small experiments of the course, each a command that draws one picture: `python docs/course/theory.py --help`.

They decide nothing that the pipeline makes, so they live beside the lessons and not in the package. Losses and networks
are those of ganpipe.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import densities
import eight_modes
import matplotlib
import numpy as np
import torch
import typer
from densities import AXIS, Normal
from matplotlib.figure import Figure
from scipy.stats import wasserstein_distance

from ganpipe.files import replacing
from ganpipe.losses.adversarial import OBJECTIVES

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
Out = Annotated[Path | None, typer.Option(help="The picture to write; without it build/course/COMMAND.png.")]
Steps = Annotated[int, typer.Option(min=1, help="Steps of each training.")]
Seed = Annotated[int, typer.Option(min=0, help="Of the first weights and all samples.")]


@contextmanager
def picture(out: Path | None, name: str, columns: int = 1, **options: Any) -> Iterator[Any]:
    """Yield the axes of a figure; save it as PNG when they are drawn, and say where."""
    path = out or Path("build/course") / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context(), replacing(path) as part:
        matplotlib.rcdefaults()  # not the reader's own taste
        figure = Figure(figsize=(3.2 * columns if columns > 1 else 6.4, 3.4), layout="constrained")
        yield figure.subplots(1, columns, **options)
        figure.savefig(part, format="png", dpi=100, metadata={"Software": None})
    typer.echo(f"The picture: {path}")


@app.command()
def numbers(out: Out = None, steps: Steps = 1200, seed: Seed = 0) -> None:
    """Lesson 1: a generator of numbers and a classifier that tells them from real ones, at three times."""
    torch.manual_seed(seed)
    data, gan, done = Normal(2.0, 0.7), densities.LineGAN(), 0
    with picture(out, "numbers", columns=3, sharey=True) as axes:
        for axis, until in zip(axes, (0, steps // 6, steps), strict=True):
            gan.train(data.draw, until - done)
            done = until
            with torch.no_grad():
                made = gan.draw(5000)[:, 0].numpy()
            axis.plot(AXIS, data.density(AXIS), color="C0", label="real numbers")
            axis.hist(made, bins=AXIS[::25], density=True, color="C1", alpha=0.6, label="generated numbers")
            axis.plot(AXIS, gan.belief(AXIS), color="C2", linestyle="--", label="D: real?")
            axis.set(title=f"after {done} steps", xlim=(-3, 6), ylim=(0, 1.5))
            typer.echo(f"after {done} steps: generated mean {made.mean():.2f}, std {made.std():.2f}")
        axes[0].legend(loc="upper left", fontsize=8)
    typer.echo(f"real: mean {data.mean:.2f}, std {data.std:.2f}")


@app.command()
def discriminator(
    out: Out = None,
    steps: Steps = 2000,
    seed: Seed = 0,
    shift: Annotated[float, typer.Option(min=0, max=4, help="From data to generated numbers.")] = 2.0,
) -> None:
    """Lesson 3: a trained discriminator against p_data / (p_data + p_g)."""
    torch.manual_seed(seed)
    data, made = Normal(1.0, 1.0), Normal(1.0 + shift, 1.0)
    judge = densities.learn(data.draw, made.draw, steps)
    with torch.no_grad():
        learned = torch.sigmoid(judge(torch.from_numpy(AXIS).float()[:, None])).numpy()
    p, q = data.density(AXIS), made.density(AXIS)
    best = densities.optimal(p, q)
    with picture(out, "discriminator") as axis:
        axis.fill_between(AXIS, p, alpha=0.3, label="p_data")
        axis.fill_between(AXIS, q, alpha=0.3, label="p_g")
        axis.plot(AXIS, best, color="black", label="p_data / (p_data + p_g)")
        axis.plot(AXIS, learned, color="C3", linestyle="--", label=f"D after {steps} steps")
        axis.set(xlim=(-3, 7), xlabel="x")
        axis.legend(fontsize=8)
    gap = np.average(np.abs(learned - best), weights=p + q)
    typer.echo(f"mean |D - p_data / (p_data + p_g)| over both densities: {gap:.3f}")


@app.command()
def value(out: Out = None, steps: Steps = 1000, seed: Seed = 0) -> None:
    """Lesson 3: the value that a trained discriminator reaches against -log 4 + 2 JSD, for generators further off."""
    torch.manual_seed(seed)
    data, shifts = Normal(0.0, 1.0), np.linspace(0, 4, 9)
    theory, reached = [], []
    for shift in shifts:
        made = Normal(float(shift), 1.0)
        divergence = densities.jensen_shannon(data.density(AXIS), made.density(AXIS), AXIS[1] - AXIS[0])
        judge = densities.learn(data.draw, made.draw, steps)
        theory.append(2 * divergence - np.log(4))
        reached.append(densities.value(judge, data.draw(50_000), made.draw(50_000)))
        typer.echo(f"shift {shift:.1f}: -log 4 + 2 JSD {theory[-1]:+.3f}, a trained D reaches {reached[-1]:+.3f}")
    with picture(out, "value") as axis:
        axis.plot(shifts, theory, color="black", label="-log 4 + 2 JSD(p_data, p_g)")
        axis.plot(shifts, reached, "o", color="C3", label="V of a trained D, on new samples")
        axis.axhline(-np.log(4), linestyle="--", linewidth=0.9, color="C0", label="-log 4: nothing to tell apart")
        axis.axhline(0, linestyle="--", linewidth=0.9, color="C1", label="0: all told apart")
        axis.set(xlabel="shift of p_g against p_data, in standard deviations", ylabel="value")
        axis.legend(fontsize=8, loc="lower right", bbox_to_anchor=(1, 0.06))


@app.command()
def gradients(out: Out = None) -> None:
    """Lesson 4: how hard each loss pulls the generator, by what the discriminator believes of its sample."""
    logits = torch.linspace(-9, 9, 901, requires_grad=True)
    belief = torch.sigmoid(logits).detach().numpy()
    with picture(out, "gradients") as axis:
        for name in ("minimax", "non_saturating", "squared_error"):
            (slope,) = torch.autograd.grad(OBJECTIVES[name].to_fool(logits).sum(), logits)  # type: ignore[index]
            pull = slope.abs().numpy()
            axis.plot(belief, pull, label=name)
            shown = ", ".join(f"{pull[np.abs(belief - at).argmin()]:.4f} at D = {at:g}" for at in (0.001, 0.1, 0.5))
            typer.echo(f"{name}: {shown}")
        axis.set(xscale="logit", xlabel="D(G(z)): left, D is sure it is a fake", ylabel="|gradient| at the logit of D")
        axis.legend(fontsize=8)


@app.command()
def distances(
    out: Out = None, width: Annotated[float, typer.Option(min=0.1, max=1, help="Of both boxes.")] = 1.0
) -> None:
    """Lesson 6: JSD and Wasserstein-1 distance of two boxes that move apart."""
    shifts, places = np.linspace(0, 3, 13), np.linspace(0, 4, 4001)
    boxes = [((places >= shift) & (places < shift + width)) / width for shift in shifts]
    step = places[1] - places[0]
    divergence = [densities.jensen_shannon(boxes[0], box, step) for box in boxes]
    transport = [wasserstein_distance(places, places, boxes[0], box) for box in boxes]
    with picture(out, "distances") as axis:
        axis.plot(shifts, transport, "o-", color="C0", label="W1")
        axis.plot(shifts, divergence, "o-", color="C3", label="JSD")
        axis.axhline(np.log(2), linestyle="--", linewidth=0.9, color="C3", label="log 2")
        axis.set(xlabel=f"shift; from {width:g} on the boxes no longer overlap", ylabel="distance")
        axis.legend(fontsize=8)
    for shift, one, other in list(zip(shifts, divergence, transport, strict=True))[::2]:
        typer.echo(f"shift {shift:.1f}: JSD {one:.3f}, W1 {other:.3f}")


@app.command()
def critic(out: Out = None, steps: Steps = 600, seed: Seed = 0) -> None:
    """Lesson 6: what trained critics measure against the Wasserstein-1 distance, for generators further off."""
    torch.manual_seed(seed)
    shifts = np.linspace(0, 6, 5)
    ways: dict[str, float | None] = {"gradient penalty": None, "weights clipped at 0.1": 0.1}

    def real(count: int) -> torch.Tensor:
        return torch.randn(count, densities.DIMENSIONS)

    with picture(out, "critic") as axis:
        axis.plot(shifts, shifts, color="black", label="W1(p_data, p_g)")
        for number, (name, clip) in enumerate(ways.items()):
            gaps = []
            for shift in shifts:
                away = float(shift) * torch.eye(densities.DIMENSIONS)[0]
                judge = densities.learn_critic(real, lambda count, away=away: real(count) + away, steps, clip)
                with torch.no_grad():
                    gaps.append(float(judge(real(20_000)).mean() - judge(real(20_000) + away).mean()))
            axis.plot(shifts, gaps, "o-", color=f"C{number}", label=name)
            typer.echo(f"{name}: {', '.join(f'{gap:.2f} at {at:g}' for at, gap in zip(shifts, gaps, strict=True))}")
        axis.set(xlabel="shift of p_g against p_data, in standard deviations", ylabel="mean f(x) - mean f(G(z))")
        axis.legend(fontsize=8)


@app.command()
def modes(out: Out = None, steps: Steps = 1500, seed: Seed = 0) -> None:
    """Lesson 5: a mixture of eight clouds, learned with one remedy after the other."""
    with picture(out, "modes", columns=len(eight_modes.REMEDIES), sharex=True, sharey=True) as axes:
        for axis, (name, remedy) in zip(axes, eight_modes.REMEDIES.items(), strict=True):
            torch.manual_seed(seed)
            generator = eight_modes.trained(remedy, steps)
            with torch.no_grad():
                points = eight_modes.drawn(generator, eight_modes.COUNT)
            found, inside = eight_modes.counted(points)
            typer.echo(f"{name}: {found} of {eight_modes.MODES} clouds, {inside:.0%} of the samples in one")
            axis.scatter(*eight_modes.centres().T, s=80, facecolors="none", edgecolors="C0")
            axis.scatter(*points.T, s=1, color="C3")
            axis.set(title=f"{name}: {found} of {eight_modes.MODES}", xlim=(-3, 3), ylim=(-3, 3), aspect="equal")


if __name__ == "__main__":
    app()
