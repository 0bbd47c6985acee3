"""What is computed, as frozen, validated data. Validation of input lives here, and only here.

A study (one YAML file) is validated into a `Study`; the other specs are what the steps of its plan are keyed by.
"""

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Count = Annotated[int, Field(ge=0, strict=True)]
Positive = Annotated[int, Field(gt=0, strict=True)]
Share = Annotated[float, Field(ge=0, lt=1)]
Precision = Literal["fp32", "bf16"]
"""bf16 computes in bf16 and keeps the weights in fp32."""
Tuning = Literal["full", "lora", "probe", "probe-then-full"]


class Spec(BaseModel):
    """Base of all specs: frozen, closed (an unknown key is an error), numbers checked."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def plain(self) -> dict[str, Any]:
        """Return the spec as plain data, the form in which it is hashed."""
        return self.model_dump(mode="json")


class Rows(Spec):
    """How many rows each split gets. `test` and `tune` are fixed per task; the seed deals out the others."""

    supervisor: Positive = 1_000
    """Half A: rows whose truth a supervisor learns."""
    supervisor_validation: Count = 0
    """Rows that tell a supervisor when to stop, where `stop` is not `last`."""
    student: Positive = 1_000
    """Half B: rows that the student learns with weak labels, and the ceiling with the truth."""
    student_validation: Count = 0
    """Rows that tell students and ceilings when to stop, where `stop` is not `last`."""
    link: Count = 0
    """Fresh rows for each model of a bootstrapping chain; 0 means as many as `student`."""
    test: Positive = 1_500
    """Rows that every accuracy is measured on."""
    tune: Count = 1_000
    """Rows that learning rates are found on: at most this many, at most a tenth of the task's."""
    pool: Count = 0
    """At most this many rows are kept for the seeds to deal out, the same for every seed; 0 means all there are."""

    def split_sizes(self, links: int) -> dict[str, int]:
        """Return the size of every split that a seed deals out, in the order in which it does."""
        named = ("supervisor", "supervisor_validation", "student", "student_validation")
        sizes = {name: getattr(self, name) for name in named if getattr(self, name)}
        return sizes | {f"link_{i}": self.link or self.student for i in range(1, links + 1)}


class Training(Spec):
    """How every model of a study is finetuned."""

    epochs: Positive = 3
    """Passes over the rows."""
    batch: Positive = 32
    """Rows in every step of the optimizer."""
    lr: Annotated[float, Field(gt=0)] | Literal["default", "tune"] = "default"
    """A learning rate; `default`: the one that comes with the model; `tune`: found on the truth of the `tune` split."""
    lr_grid: tuple[Annotated[float, Field(gt=0)], ...] = ()
    """The rates that a `tune` step tries; a grid by kind of model where none is named."""
    tune_seeds: Positive = 1
    """Runs that each learning rate of a `tune` step is averaged over."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """AdamW's."""
    warmup: Share = 0.1
    """Share of the steps in which the learning rate rises, before it falls to 0."""
    stop: Literal["last", "weak", "truth"] = "last"
    """Which checkpoint is kept: the last; the one that agrees most with the weak labels of `student_validation`; that
    which agrees most with its truth, which is cheating and marked so."""
    checks: Positive = 10
    """How often validation rows are looked at, where `stop` is not `last`."""
    precision: Precision = "fp32"
    """What is computed in; weights are kept in fp32 either way."""
    tuning: Tuning = "full"
    """What is trained: all weights, low-rank additions, a probe on the frozen model, or all after such a probe."""
    lora_rank: Positive = 8
    """Rank of the additions, where `tuning` is `lora`."""
    lora_alpha: Annotated[float, Field(gt=0)] = 16.0
    """They are scaled by this over the rank."""
    l2: Annotated[float, Field(ge=0)] | Literal["tune"] = "tune"
    """Penalty of a linear probe on standardised features."""
    head: Literal["unembedding", "zero", "completion"] = "unembedding"
    """Where a new head starts: at the unembedding rows of the answer tokens where the model has them, or at zero.
    completion: no new head, options that are texts are scored by their log-probability."""
    chat_template: bool | Literal["auto"] = False
    """Put dialogues, the prompts of preference tasks, in the form of the model's own chat template; `auto`: of models
    that have one, while others read them as they are."""
    max_tokens: Positive = 512
    """Longer texts lose their beginning."""
    dropout: Share = 0.0
    """The model's own, while it is trained."""
    ema: Share = 0.0
    """Decay of an average of the weights that is kept instead of the last ones; 0 keeps the last."""
    curve: Annotated[int, Field(ge=0, le=10, strict=True)] = 0
    """So many times during training, finetuned models are tested on 512 fixed rows of test: diagnostics, off at 0."""
    checkpointing: bool = False
    """Compute activations twice instead of keeping them: slower, in less memory."""
    generative_lr: Annotated[float, Field(gt=0)] = 2e-5
    """Learning rate of finetuning on texts as language, for methods that begin with it."""
    generative_epochs: Positive = 1
    """Passes of it over the texts."""


class LabelFile(Spec):
    """Weak labels from a file instead of a supervisor: JSONL or Parquet with `id` and `probabilities` or `label`."""

    name: str
    """What tables call it."""
    path: str
    """Where the file lies."""


class Comparison(Spec):
    """A block of the grid: every supervisor with every student at least as large, every method, on one task."""

    task: str
    """Its name: one of the table, or of `tasks`."""
    label: str = ""
    """What tells this block from another one of the same task, in every table."""
    supervisors: tuple[str | LabelFile, ...] = Field(min_length=1)
    """Models, by size, short name, folder or hub name; or files of labels."""
    students: tuple[str, ...] = Field(min_length=1)
    """Models."""
    methods: tuple[str, ...] = Field(min_length=1)
    """How students are made; what a method has to beat is added."""
    rows: Rows | None = None
    """In place of the study's `rows`, all of them."""
    training: Training | None = None
    """In place of the study's `training`, all of it."""
    test_on: tuple[str, ...] = ()
    """Other tasks of the same kind, on whose test rows everything is also tested: distribution shift."""
    data: str | None = None
    """A local file of the task's rows, for tasks that are not shipped."""


class OwnTask(Spec):
    """A task of the user's own: rows from files or the hub, and how their columns make texts and labels.

    `label` and `classes`: every row has one class. `options` and `answer`: multiple choice, every row is a question,
    and `{option}` in the template stands for one answer. `chosen` and `rejected`, or `options`, `answer` and `compare`:
    preferences among texts that follow the template's. `label` and `max_new_tokens`: free text.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    """What comparisons call it."""
    about: str = ""
    """One sentence for people."""
    files: tuple[str, ...] = ()
    """Files with the rows: JSONL, CSV or Parquet."""
    hub: str = ""
    """Or a data set's name on the Hugging Face hub."""
    config: str = ""
    """Which of its configurations, where it has several."""
    splits: tuple[str, ...] = ()
    """Splits of the hub's data set to use; empty means all it has."""
    text: str
    """What a model reads: a template with columns as `{name}`."""
    label: str = ""
    """The column with the class of a row, or with its free text."""
    classes: tuple[bool | int | str, ...] = ()
    """The values of the label, in the order of the classes; for multiple choice those of the answer, if it has any."""
    options: tuple[str, ...] = ()
    """The columns with the answers, or one column with a list of them."""
    answer: str = ""
    """The column that says which of the options is right."""
    compare: bool = False
    """Whether the options are compared with one another, as preferences are, instead of judged as right or wrong."""
    chosen: str = ""
    """The column with the text that is preferred to others."""
    rejected: tuple[str, ...] = ()
    """The columns with the others; where one is blank there is one fewer."""
    most_options: Count = 0
    """Preferences whose texts lie in a list, in one column of `options` or `rejected`: how many a row has at most."""
    max_new_tokens: Count = 0
    """Above 0: the label is free text of at most so many tokens, which a language model writes."""
    group: tuple[str, ...] = ()
    """Rows that have the same value in one of these columns never stand in two splits."""
    balanced: bool = True
    """Whether every split gets as many rows of each class."""
    instruction: str = ""
    """For prompting: what is asked of every text."""
    verbalizer: tuple[str, ...] | None = None
    """The answer token of every class; by default 0, 1 and so on, () starts the head at zero."""

    @model_validator(mode="after")
    def _one_kind(self) -> "OwnTask":
        choice, pairs = bool(self.options or self.answer), bool(self.chosen or self.rejected)
        whole = (self.options and self.answer) if choice else (self.chosen and self.rejected) if pairs else self.label
        written, classes = self.max_new_tokens > 0, 2 if choice else len(self.classes)
        values = {str(each) for each in self.classes}
        unused = [name for name in ("verbalizer", "instruction") if self.compared and getattr(self, name)]
        unused += ["classes"] if pairs and self.classes else []
        count = self.most_options or len(self.options)
        refused = [
            (
                not whole or choice + pairs + bool(self.label) > 1,
                "it needs either label and classes, or options and answer, or chosen and rejected",
            ),
            (
                written and (choice or pairs or self.classes or self.verbalizer),
                "free text (max_new_tokens) has no classes, options or verbalizer",
            ),
            (
                self.label and not written and len(values) < max(2, len(self.classes)),
                "classes must name at least two values, each once",
            ),
            (self.compared and OPTION in self.columns, "text is what all options follow: leave {option} out"),
            (
                not self.compared and choice != (OPTION in self.columns),
                "text must have {option} if it has options, and only then",
            ),
            (
                {self.label, self.answer, self.chosen, *self.rejected} & set(self.columns),
                "text names the column of the label, which would give it away",
            ),
            (self.compare and not choice, "compare is for options and answer"),
            (
                self.compare and count < 2,
                "compare needs a column for every option, or most_options where one column has a list of them",
            ),
            (
                self.compare and self.classes and not count == len(values) == len(self.classes),
                f"classes must name a value of {self.answer} for each of {count} options, each once: leave ties blank",
            ),
            (self.most_options and not self.compared, "most_options is for preferences"),
            (len(set(self.texts)) < len(self.texts), "a column of texts to be compared is named twice"),
            (unused, f"preferences have no use for {' and '.join(unused)}"),
            (
                self.verbalizer and len(self.verbalizer) != classes,
                f"it has {classes} classes, verbalizer must name a token for each",
            ),
        ]
        for is_so, why in refused:
            if is_so:
                raise ValueError(f"the task {self.name}: {why}")
        return self

    @field_validator("text")
    @classmethod
    def _template(cls, text: str) -> str:
        rest = COLUMN.sub("", text)
        if "{" in rest or "}" in rest:
            raise ValueError("write a column as {name}, letters, digits, blanks, - and _ only, and a brace as {{ or }}")
        if not any(found[1] for found in COLUMN.finditer(text)):
            raise ValueError("text names no column: write at least one as {name}")
        return text

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the template names, `option` among them where it does."""
        return tuple(dict.fromkeys(found[1] for found in COLUMN.finditer(self.text) if found[1]))

    @property
    def compared(self) -> bool:
        """Whether texts are compared: preferences."""
        return self.compare or bool(self.chosen)

    @property
    def texts(self) -> tuple[str, ...]:
        """The columns with the texts that are compared, where any are."""
        return self.options if self.compare else (self.chosen, *self.rejected) if self.chosen else ()

    def plain(self) -> dict[str, Any]:
        """Return what changes numbers: neither where files lie nor what is said about the task."""
        later = ("max_new_tokens", "compare", "chosen", "rejected", "most_options")  # at their defaults no part of keys
        left_out = {"files", "about"} | {name for name in later if not getattr(self, name)}
        return self.model_dump(mode="json", exclude=left_out)


OPTION = "option"
COLUMN = re.compile(r"\{\{|\}\}|\{(\w[\w -]*)\}")
"""A brace written twice, or a column of a template."""


class Study(Spec):
    """A grid of cells: one YAML file."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    """Names the report and what the store remembers."""
    about: str = ""
    """One sentence for people."""
    seeds: tuple[Count, ...] = Field(default=(0, 1, 2), min_length=1)
    """Everything is done once for each."""
    rows: Rows = Rows()
    """How many rows each split gets."""
    training: Training = Training()
    """How every model is made."""
    keep_students: bool = False
    """Whether students' weights stay in the store once they were tested."""
    models: str | dict[str, str] = Field(default_factory=dict)
    """Short names of models: where each lies (a folder, a hub name), or one folder that holds them all."""
    data_dir: str | None = None
    """A folder with one folder a task, for tasks whose rows would come from the hub."""
    tasks: tuple[OwnTask, ...] = ()
    """Tasks of the user's own."""
    comparisons: tuple[Comparison, ...] = Field(min_length=1)
    """The blocks of the grid."""

    @field_validator("seeds")
    @classmethod
    def _distinct(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) != len(seeds):
            raise ValueError("a seed is named twice")
        return seeds

    @model_validator(mode="after")
    def _own_tasks(self) -> "Study":
        for task in self.tasks:
            if bool(task.files) == bool(task.hub):
                raise ValueError(f"the task {task.name} needs either files or hub: where its rows are from")
        names = [task.name for task in self.tasks]
        if len(set(names)) != len(names):
            raise ValueError("two of the study's own tasks have the same name")
        return self

    @model_validator(mode="after")
    def _validation_rows(self) -> "Study":
        for block in self.comparisons:
            rows, training = block.rows or self.rows, block.training or self.training
            if training.stop != "last" and not (rows.supervisor_validation and rows.student_validation):
                raise ValueError(
                    f"training.stop is {training.stop!r}: rows.supervisor_validation and rows.student_validation "
                    "must be above 0"
                )
        return self
