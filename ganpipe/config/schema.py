"""The schema of params.yaml: closed and strictly typed.

A params file has six sections. `data`, `system`, `train`, `sample` and `evaluate` decide the result and are tracked by
DVC; `runtime` may change nothing but speed and is tracked by nobody. The keys of `system` beside `name` are those of
`Config` in `ganpipe.systems.configs.<name>`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from ganpipe.config.choices import Judging

Fraction = Annotated[float, Field(ge=0, lt=1)]
Kimg = Annotated[float, Field(ge=0.001)]  # at least one image
Width = Annotated[int, Field(ge=1, le=65_536)]  # of a layer or a latent
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Side = Annotated[int, Field(ge=1, le=8192)]


class Closed(BaseModel):
    """A params section: unknown keys, wrong types, infinities and later changes are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, validate_default=True)


class Data(Closed):
    """The data set to learn from; `name` is a key of `ganpipe.data.catalogue.sets.DATASETS`."""

    name: str  # a name of `ganpipe.data.catalogue.sets`
    source: str | None = None  # a URL prefix, folder or file to take the raw files from instead
    follow_links: bool = True  # of the folder `source`: links stand for what they lead to; false: they are left out
    verify: bool = True  # refuse raw files that are not the published ones; false: warn and use them
    crop: Side | Literal["whole"] | None = None  # centre square cut first, pixels; whole: none; null: as suits the set
    size: Side | None = None  # then the shorter side, keeping the centre square; null: crop, or the set's own
    scale: Annotated[int, Field(ge=1, le=64)] | None = None  # image side / side of the field `low`; null: the set's own
    encoder: str | None = None  # of captions: minilm, random-SEED, or the folder of a BERT; null: minilm
    channels: Literal[1, 3] | None = None  # grey or colour; null: the set's own
    flip: bool = False  # mirror half of the images, drawn anew each time one is shown to the training
    jitter: Annotated[int, Field(ge=0, le=8192)] = 0  # enlarge images by so many pixels, then cut out a random window
    max_bad: NonNegativeInt = 100  # so many unreadable images are left out and listed; one more ends the packing
    max_pixels: Annotated[int, Field(ge=1, le=2**31)] = 89_478_485  # larger images are left out, undecoded
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

    name: Literal["adam"]  # chooses this optimizer
    betas: tuple[Fraction, Fraction] = (0.9, 0.999)  # decay of the averages of the gradient and of its square
    weight_decay: NonNegativeFloat = 0.0  # the factor of the weights that is added to their gradient


class SGD(Closed):
    """Plain gradient descent, optionally with momentum, with L2 weight decay added to the gradient."""

    name: Literal["sgd"]  # chooses this optimizer
    momentum: Fraction = 0.0  # the share of the last step that is repeated
    weight_decay: NonNegativeFloat = 0.0  # the factor of the weights that is added to their gradient


class RMSprop(Closed):
    """RMSprop (Tieleman & Hinton 2012), the optimizer of WGAN; `alpha` is the smoothing constant."""

    name: Literal["rmsprop"]  # chooses this optimizer
    alpha: Fraction = 0.99  # decay of the average of the squared gradient


Optimizer = Annotated[Adam | SGD | RMSprop, Field(discriminator="name")]


class Train(Closed):
    """How long, how fast and with which optimizer. Progress is counted in thousands of real images shown (kimg)."""

    kimg: Kimg  # the length of the training, in thousands of real images shown
    batch: Annotated[int, Field(ge=1, le=65_536)]  # real images per step
    seed: Seed = 0  # of the first weights, the order of the data and all noise of the training
    lr: PositiveFloat  # learning rate of the generator
    lr_discriminator: PositiveFloat | None = None  # null: the same as lr
    lr_decay_from_kimg: NonNegativeFloat | None = None  # linear to zero at the end from here on; null: constant
    optimizer: Optimizer  # of all players
    ema_half_life_kimg: NonNegativeFloat = 0.0  # 0: publish the trained weights themselves
    precision: Literal["fp32", "bf16"] = "fp32"  # of the arithmetic: bf16 takes less memory and is less exact
    micro_batch: PositiveInt | None = None  # back-propagate a batch in pieces of at most this many; null: whole
    preview_kimg: Kimg  # how often the same 64 items are drawn
    log_kimg: Kimg  # how often losses and scores become a row of `data/history.csv`
    evaluate_kimg: Kimg | None = None  # how often `training.in_training_score` scores the generator; null: never
    start_from: str | None = None  # a folder or an MLflow run with a published generator, whose weights to begin with
    publish: Literal["last", "best"] = "last"  # the generator of the end, or the one with the best of these scores
    on_failure: Literal["warn", "stop"] = "warn"  # what a finding of `ganpipe.history.diagnosis` leads to
    on_nonfinite: Literal["stop", "skip", "rollback"] = "stop"  # what a NaN or an infinity in a step leads to
    most_rollbacks: PositiveInt = 3  # one more stops

    @model_validator(mode="after")
    def _fits(self) -> Train:
        if self.micro_batch is not None and self.micro_batch > self.batch:
            raise ValueError(f"micro_batch {self.micro_batch} is larger than batch {self.batch}")
        if self.lr_decay_from_kimg is not None and self.lr_decay_from_kimg >= self.kimg:
            raise ValueError(f"lr_decay_from_kimg {self.lr_decay_from_kimg:g} is not below kimg {self.kimg:g}")
        if self.publish == "best" and self.evaluate_kimg is None:
            raise ValueError("publish best needs evaluate_kimg: how often to score the generator")
        return self


Picture = Literal[
    "grid",
    "classes",
    "interpolation",
    "line",
    "arithmetic",
    "truncation",
    "nearest",
    "strips",
    "photographs",
    "gatys",
    "music",
]
"""What the sample stage can draw: see `ganpipe.sampling.needs`."""


class Sample(Closed):
    """What to draw from the published generator."""

    count: Annotated[int, Field(ge=4, le=10_000_000)]  # samples in `data/samples/samples.h5`, which are scored
    seed: Seed = 0  # of the latents and of the drawn classes
    options: dict[str, bool | int | float | str] | None = None  # of the system, for drawing alone; null: as trained
    grid: Annotated[int, Field(ge=1, le=100)] = 10  # the picture shows grid x grid samples
    interpolation_pairs: Annotated[int, Field(ge=1, le=100)] = 6  # rows of the interpolation strip
    interpolation_steps: Annotated[int, Field(ge=2, le=100)] = 12  # pictures in such a row, both ends included
    pictures: tuple[Picture, ...] = ("grid", "interpolation")  # what to draw beside the samples


class Evaluate(Closed):
    """How to judge the samples; the extractors are keys of `ganpipe.metrics.extractors.EXTRACTORS`."""

    extractors: Annotated[tuple[str, ...], Field(min_length=1)]  # whose features are compared
    neighbours: PositiveInt = 5  # k of precision, recall, density and coverage
    seed: Seed = 0  # of the real rows and of the halves that give the floor
    extractor_epochs: PositiveInt = 10  # of the `domain` classifier
    extractor_accuracy: Annotated[float, Field(ge=0, le=1)] = 0.97  # on held-out data, or the stage fails
    trunks: tuple[Judging, ...] | None = None  # that compare textures and photographs: hed, vgg19, random-N, lite0

    @property
    def fewest(self) -> int:
        """The smallest number of items that the scores by nearest neighbours can compare with as many others.

        precision_k3 and recall_k3 are always among them, and the ball to the farthest of all says nothing.
        """
        return max(self.neighbours, 3) + 2

    @model_validator(mode="after")
    def _names_each_once(self) -> Evaluate:
        for key, names in {"extractors": self.extractors, "trunks": self.trunks or ()}.items():
            if len(set(names)) < len(names):
                raise ValueError(f"{key} {', '.join(names)} names one twice")
        return self


class Runtime(Closed):
    """Where and how to compute. Changes no result but by rounding, so neither DVC nor any fingerprint looks at it."""

    device: Literal["auto", "cpu", "cuda"] = "auto"  # where to compute; auto takes a GPU where there is one
    threads: Annotated[int, Field(ge=1, le=1024)] | None = None  # of torch on the CPU; null: a sensible number
    checkpoint_seconds: PositiveFloat = 20.0  # how often a training saves its state
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
        if self.sample.count < self.evaluate.fewest:
            raise ValueError(
                f"sample.count {self.sample.count} is below the {self.evaluate.fewest} that precision and recall need"
            )
        return self
