"""The schema of params.yaml: closed, strictly typed, torch-free.

A params file has six sections. `data`, `system`, `train`, `sample` and `evaluate` decide the result and are tracked by
DVC; `runtime` may change nothing but speed and is tracked by nobody. The keys of `system` beside `name` belong to the
`Config` nested in that system's class and are checked by `ganpipe.systems.configure`.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from ganpipe.errors import ConfigError

Fraction = Annotated[float, Field(ge=0, lt=1)]
Kimg = Annotated[float, Field(ge=0.001)]  # at least one image
Width = Annotated[int, Field(ge=1, le=65_536)]  # of a layer or a latent
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Side = Annotated[int, Field(ge=1, le=8192)]


class Closed(BaseModel):
    """A params section: unknown keys, wrong types, infinities and later changes are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, validate_default=True)


ClosedModel = TypeVar("ClosedModel", bound=Closed)


class Data(Closed):
    """Which images or vectors to learn from; `name` is a key of `ganpipe.data.catalogue`."""

    name: str
    source: str | None = None  # a URL prefix, folder or file to take the raw files from instead
    verify: bool = True  # refuse raw files that are not the published ones; false: warn and use them
    crop: Side | Literal["whole"] | None = None  # centre square cut first, pixels; whole: none; null: as suits the set
    size: Side | None = None  # then the shorter side, keeping the centre square; null: crop, or the set's own
    channels: Literal[1, 3] | None = None  # grey or colour; null: the set's own
    flip: bool = False  # mirror half of the images, drawn anew each time one is shown to the training
    max_bad: NonNegativeInt = 100  # so many unreadable images are left out and listed; one more ends the packing
    compression: Literal["gzip", "lzf"] | None = None  # smaller and slower to read: for archives; null: none
    shards: Annotated[int, Field(ge=1, le=99_999)] = 1  # files to spread the rows over


class SystemSection(BaseModel):
    """The system by name, with the keys of its own `Config` beside."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str

    @property
    def options(self) -> dict[str, Any]:
        """The keys beside `name`, unchecked: `ganpipe.systems.configure` checks them."""
        return dict(self.model_extra or {})


class Adam(Closed):
    """Adam (Kingma & Ba 2015, arXiv:1412.6980), with L2 weight decay added to the gradient."""

    name: Literal["adam"]
    betas: tuple[Fraction, Fraction] = (0.9, 0.999)
    weight_decay: NonNegativeFloat = 0.0


class SGD(Closed):
    """Plain gradient descent, optionally with momentum."""

    name: Literal["sgd"]
    momentum: Fraction = 0.0


class RMSprop(Closed):
    """RMSprop (Tieleman & Hinton 2012), the optimizer of WGAN; `alpha` is the smoothing constant."""

    name: Literal["rmsprop"]
    alpha: Fraction = 0.99


Optimizer = Annotated[Adam | SGD | RMSprop, Field(discriminator="name")]


class Train(Closed):
    """How long, how fast and with which optimizer. Progress is counted in thousands of real images shown (kimg)."""

    kimg: Kimg
    batch: Annotated[int, Field(ge=1, le=65_536)]
    seed: Seed = 0
    lr: PositiveFloat
    lr_discriminator: PositiveFloat | None = None  # null: the same as lr
    lr_decay_from_kimg: NonNegativeFloat | None = None  # linear to zero at the end from here on; null: constant
    optimizer: Optimizer
    ema_half_life_kimg: NonNegativeFloat = 0.0  # 0: publish the trained weights themselves
    precision: Literal["fp32", "bf16"] = "fp32"
    micro_batch: PositiveInt | None = None  # back-propagate a batch in pieces of at most this many; null: whole
    preview_kimg: Kimg
    log_kimg: Kimg
    evaluate_kimg: Kimg | None = None  # how often `training.scoring` scores the generator; null: never
    publish: Literal["last", "best"] = "last"  # the generator of the end, or the one with the best of these scores
    on_failure: Literal["warn", "stop"] = "warn"  # what a finding of `ganpipe.training.diagnostics` leads to

    @model_validator(mode="after")
    def _fits(self) -> Train:
        if self.micro_batch is not None and self.micro_batch > self.batch:
            raise ValueError(f"micro_batch {self.micro_batch} is larger than batch {self.batch}")
        if self.lr_decay_from_kimg is not None and self.lr_decay_from_kimg >= self.kimg:
            raise ValueError(f"lr_decay_from_kimg {self.lr_decay_from_kimg:g} is not below kimg {self.kimg:g}")
        if self.publish == "best" and self.evaluate_kimg is None:
            raise ValueError("publish best needs evaluate_kimg: how often to score the generator")
        return self


Picture = Literal["grid", "classes", "interpolation", "line", "arithmetic", "truncation", "nearest"]
"""What the sample stage can draw: see `ganpipe.sampling`."""


class Sample(Closed):
    """What to draw from the published generator."""

    count: Annotated[int, Field(ge=4, le=10_000_000)]
    seed: Seed = 0
    grid: Annotated[int, Field(ge=1, le=100)] = 10  # the picture shows grid x grid samples
    interpolation_pairs: Annotated[int, Field(ge=1, le=100)] = 6  # rows of the interpolation strip
    interpolation_steps: Annotated[int, Field(ge=2, le=100)] = 12
    pictures: tuple[Picture, ...] = ("grid", "interpolation")


class Evaluate(Closed):
    """How to judge the samples; the extractors are keys of `ganpipe.metrics.EXTRACTORS`."""

    extractors: Annotated[tuple[str, ...], Field(min_length=1)]
    neighbours: PositiveInt = 5  # k of precision, recall, density and coverage
    seed: Seed = 0
    extractor_epochs: PositiveInt = 10  # of the `domain` classifier
    extractor_accuracy: Annotated[float, Field(ge=0, le=1)] = 0.97  # on held-out data, or the stage fails

    @model_validator(mode="after")
    def _names_each_once(self) -> Evaluate:
        if len(set(self.extractors)) < len(self.extractors):
            raise ValueError(f"extractors {', '.join(self.extractors)} names one twice")
        return self


class Runtime(Closed):
    """Where and how to compute. Changes no result but by rounding, so neither DVC nor any fingerprint looks at it."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: Annotated[int, Field(ge=1, le=1024)] | None = None  # of torch on the CPU; null: a sensible number
    checkpoint_seconds: PositiveFloat = 20.0
    workers: PositiveInt | None = None  # processes that decode images while packing; null: one per core
    ram_limit: NonNegativeFloat | None = None  # GiB of rows kept in memory; null: a quarter of what there is


class Params(Closed):
    """One complete experiment: the content of params.yaml or of a recipe."""

    data: Data
    system: SystemSection
    train: Train
    sample: Sample
    evaluate: Evaluate
    runtime: Runtime = Runtime()

    @model_validator(mode="after")
    def _can_be_judged(self) -> Params:
        needed = max(self.evaluate.neighbours, 3) + 2  # 3: precision_k3 and recall_k3 are always among the scores
        if self.sample.count < needed:
            raise ValueError(f"sample.count {self.sample.count} is below the {needed} that precision and recall need")
        return self


def load_params(path: Path) -> Params:
    """Read and check a params file, except for what only the tables of data sets, systems and extractors know.

    Raises `ConfigError` with one line that names the file, the key, the value and what would do.
    """
    return parse(Params, read_yaml(path), where=str(path))


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML 1.2 mapping (`2e-4` is a float, `yes` a string). Raises `ConfigError`."""
    try:
        content = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
        json.dumps(content, default=str)  # aliases to themselves and lists as keys are YAML, but no params
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; run `ganpipe recipe use digits-dcgan` to make one") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except (YAMLError, ValueError, TypeError, RecursionError) as error:
        raise ConfigError(f"{path}: not valid YAML: {_yaml_problem(error)}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected the sections {', '.join(Params.model_fields)}, got {_shown(content)}")
    return content


def parse(model: type[ClosedModel], content: Mapping[str, Any], where: str, prefix: str = "") -> ClosedModel:
    """Check `content` against `model`; `where` and the dotted `prefix` name it in the message of the `ConfigError`."""
    try:
        return model.model_validate_json(json.dumps(content, default=str), strict=True)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=True)
        problems.sort(key=lambda problem: problem["type"] != "extra_forbidden")  # a misspelt key is also a missing one
        line = _explain(model, problems[0], prefix)
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise ConfigError(f"{where}: {line}{more}") from None


def choose(kind: str, name: str, allowed: Iterable[str], where: str) -> str:
    """Return `name` if it is allowed; otherwise raise a `ConfigError` listing the allowed ones and the nearest."""
    names = list(allowed)
    if name in names:
        return name
    raise ConfigError(f"{where}: {kind} {name!r} is unknown{_nearest(name, names)}; allowed: {', '.join(names)}")


def flatten(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested mappings as one level with dotted keys, lists as values: `{"train.lr": 0.0002, ...}`."""
    flat: dict[str, Any] = {}
    for key, value in content.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _explain(model: type[BaseModel], problem: Any, prefix: str) -> str:
    """One line for one pydantic error: the dotted key, the value, what would do."""
    loc = _without_union_tags(problem["loc"])
    key = prefix + ".".join(loc) if loc else prefix.rstrip(".") or "params"
    match problem["type"]:
        case "extra_forbidden":
            allowed = _keys_at(model, problem["loc"][:-1])
            return f"{key} is an unknown key{_nearest(loc[-1], allowed)}; allowed: {', '.join(allowed)}"
        case "missing":
            return f"{key} is missing"
        case "union_tag_not_found":
            return f"{key}.name is missing"
        case "union_tag_invalid":
            tags = [tag.strip("' ") for tag in problem["ctx"]["expected_tags"].split(",")]
            tag = problem["ctx"]["tag"]
            return f"{key}.name {tag!r} is unknown{_nearest(tag, tags)}; allowed: {', '.join(tags)}"
        case "literal_error":
            tags = [tag.strip("' ") for tag in problem["ctx"]["expected"].replace(" or ", ", ").split(",")]
            value = problem["input"]
            return f"{key} = {_shown(value)} is unknown{_nearest(str(value), tags)}; allowed: {', '.join(tags)}"
        case "model_type" | "model_attributes_type" if _keys_at(model, problem["loc"]):
            allowed = _keys_at(model, problem["loc"])
            return f"{key} = {_shown(problem['input'])} is not a section with keys; allowed: {', '.join(allowed)}"
        case "value_error":
            return f"{key}: {problem['ctx']['error']}" if problem["loc"] else str(problem["ctx"]["error"])
    message = problem["msg"].replace("Input should be", "should be").replace("an object", "a section with keys")
    message = message.replace("Tuple", "the list").replace("a valid array", "a list").replace(" after validation", "")
    return f"{key} = {_shown(problem['input'])}: {message}"


def _without_union_tags(loc: tuple[str | int, ...]) -> list[str]:
    """Pydantic puts the tag of a tagged union into the location (`optimizer.adam.betas`); it is no key of the file."""
    return [str(part) for before, part in zip(("", *loc), loc, strict=False) if before != "optimizer"]


def _keys_at(model: type[BaseModel], loc: Iterable[str | int]) -> list[str]:
    """Return the keys allowed at a location, walking through nested sections and tagged unions."""
    here: list[type[BaseModel]] = [model]
    for part in loc:
        fields = [found.model_fields[part].annotation for found in here if part in found.model_fields]
        if fields:
            here = [found for field in fields for found in _models_in(field)]
        else:
            here = [found for found in here if _has_tag(found, part)]
    return [key for found in here for key in found.model_fields]


def _has_tag(model: type[BaseModel], tag: str | int) -> bool:
    """Whether `model` is the member of a tagged union that goes by this name."""
    name = model.model_fields.get("name")
    return name is not None and tag in get_args(name.annotation)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in get_args(annotation) for found in _models_in(part)]


def _nearest(name: str, allowed: list[str]) -> str:
    close = difflib.get_close_matches(name, allowed, n=1, cutoff=0.5)
    return f", did you mean {close[0]!r}?" if close else ""


def _shown(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else text[:57] + "..."


def _yaml_problem(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    what = getattr(error, "problem", None) or str(error).splitlines()[0]
    return f"{what} (line {mark.line + 1})" if mark is not None else what
