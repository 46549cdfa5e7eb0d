"""The commands of `ganpipe` around MLflow and DVC. Nothing heavy is imported until a command needs it."""

from __future__ import annotations

from typing import Annotated

import typer

from ganpipe.command import one_line_errors

track = typer.Typer(no_args_is_help=True, help="The MLflow store.")


@track.command("sync")
def sync(
    names: Annotated[
        list[str] | None, typer.Argument(help="Experiments of DVC; none: what lies in the workspace.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All experiments of DVC.")] = False,
    remote: Annotated[
        str | None, typer.Option(help="Fetch them first from this git remote, their files from DVC's.")
    ] = None,
) -> None:
    """Bring MLflow runs up to date from DVC's outputs: after an outage, a `dvc pull`, a hit in DVC's cache.

    Experiments by name are read from DVC's cache; the workspace stays as it is.
    """
    with one_line_errors():
        from ganpipe.errors import ConfigError
        from ganpipe.params import load
        from ganpipe.tracking.api import sync_workspace
        from ganpipe.tracking.sync import sync_experiments

        if names and everything:
            raise ConfigError("name experiments or add --all, not both")
        if names or everything:
            for line in sync_experiments(names or (), remote, load):
                typer.echo(line)
        elif remote is not None:
            raise ConfigError(f"--remote {remote}: name experiments, or add --all")
        else:
            typer.echo(sync_workspace(load()))


def reproduce(
    run: Annotated[str, typer.Argument(help="An MLflow run: its name, or the beginning of its id.")],
    force: Annotated[bool, typer.Option("--force", help="Replace uncommitted changes too; .bak files stay.")] = False,
) -> None:
    """Put back the params.yaml, dvc.yaml and dvc.lock of an MLflow run, and run `dvc repro`."""
    with one_line_errors():
        from ganpipe.tracking.reproduce import reproduce

        code = reproduce(run, force)
    raise typer.Exit(code)


def promote(
    run: Annotated[str, typer.Argument(help="An MLflow run: its name, or the beginning of its id.")],
    name: Annotated[str, typer.Option("--as", help="The registered model whose next version it becomes.")],
) -> None:
    """Register the generator of an MLflow run as a model that `mlflow models serve` answers from, with its scores."""
    with one_line_errors():
        from ganpipe.tracking.promote import promote

        for line in promote(run, name):
            typer.echo(line)


def sweep(
    written: Annotated[
        list[str] | None,
        typer.Option(
            "-S", "--vary", help="KEY=VALUE,VALUE,... or KEY=log(LOW,HIGH), range(...), int(...); repeatable."
        ),
    ] = None,
    trials: Annotated[int, typer.Option(min=1, help="How many sets of values to try, by all processes together.")] = 20,
    seeds: Annotated[int, typer.Option(min=1, help="Train each with so many seeds; its score is the mean.")] = 1,
    name: Annotated[str | None, typer.Option(help="Of the sweep; the same command resumes the same one.")] = None,
    metric: Annotated[
        str | None, typer.Option(help="Of metrics.json, such as domain.fd; default: of the first extractor.")
    ] = None,
    maximise: Annotated[bool, typer.Option("--maximise", help="Higher scores are better.")] = False,
    sampler: Annotated[str, typer.Option(help="tpe or random.")] = "tpe",
    pruner: Annotated[str, typer.Option(help="none, or by train/fd: halving, hyperband.")] = "none",
    storage: Annotated[
        str | None, typer.Option(help="Address of a database that machines share; default: in this checkout.")
    ] = None,
    apply: Annotated[str | None, typer.Option("--apply", help="Only bring the best trial of this sweep here.")] = None,
) -> None:
    """Try values of params in experiments of DVC, each with its MLflow run, one after the other (extra `sweep`).

    Start it again after a kill, or in several processes and machines at a time: each trial is computed once.
    """
    with one_line_errors():
        from ganpipe.command import exit_on_sigterm
        from ganpipe.sweeps import require_optuna

        require_optuna()
        from ganpipe.sweeps import sweep as body

        exit_on_sigterm()
        if apply is not None:
            typer.echo(body.apply_best(apply, storage))
            return
        asked = (metric, maximise, sampler, pruner)
        for line in body.sweep(name, written or (), trials, seeds, *asked, storage):
            print(line, flush=True)


def ui(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on 127.0.0.1.")] = 5000,
    browser: Annotated[bool, typer.Option("--browser", help="Open the page in a browser.")] = False,
) -> None:
    """Open the MLflow UI on this checkout's store, on 127.0.0.1."""
    with one_line_errors():
        from ganpipe.tracking.server import serve

        serve(port, browser)


def offline_plots() -> None:
    """Let `dvc plots show` and `dvc plots diff` draw without network, in this checkout (extra `plots`)."""
    with one_line_errors():
        from ganpipe.report.offline_plots import use_offline_template

        typer.echo(use_offline_template())
