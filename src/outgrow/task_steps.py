"""The steps of one block of the grid at one seed: what each is keyed by and what it reads. No torch."""

from collections.abc import Mapping, Sequence
from copy import copy
from itertools import product
from pathlib import Path
from typing import Any

from outgrow.dag.step import Step
from outgrow.dag.store import file_sha256
from outgrow.errors import UsageError
from outgrow.fitting import PROBED, check_block
from outgrow.hub import Lock
from outgrow.methods import METHODS, Method
from outgrow.models.catalog import Model, find_model
from outgrow.spec import Comparison, LabelFile, Rows, Study, Training
from outgrow.tasks import Task, Where, find_task
from outgrow.versions import step

LEARNING_RATES = {"ladder": (1.25e-4, 2.5e-4, 5e-4, 1e-3, 2e-3), "full": (1e-5, 3e-5, 1e-4, 3e-4, 1e-3)}
"""The grid of a `tune` step where a study names none: small models trained for the purpose, and others."""
LORA_RATES = (1e-4, 3e-4, 1e-3, 3e-3)
PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""The grid of a probe's l2."""
SAID_ELSEWHERE = ("lr", "lr_grid", "stop", "tune_seeds", "checks", "l2", "curve", "generative_lr", "generative_epochs")
"""Settings of training that other parts of a spec, or other steps, tell."""
UNTUNED = {"tuning": "full", "head": "zero", "dropout": 0.0}
"""Settings that a model which is only read has no use for."""
READ = ("precision", "max_tokens", "chat_template")
"""Settings that a model is read with, trained or not."""


class TaskSteps:
    """Makes the steps of one block of the grid at one seed."""

    def __init__(self, study: Study, block: Comparison, seed: int, lock: Lock, *, apart: Step | None = None) -> None:
        """`apart`: the rows of another task, which is trained on; none of them is among the test rows of this one."""
        self.study, self.block, self.seed, self._lock, self._apart = study, block, seed, lock, apart
        self.rows: Rows = block.rows or study.rows
        self.training: Training = block.training or study.training
        self.task: Task = find_task(block.task, study.tasks)
        self.source = self._source()
        check_block(self.task, block, self.rows, self.training)
        named = [name for name in (*block.supervisors, *block.students) if isinstance(name, str)]
        self.models = {name: self._model(name) for name in named}

    def at(self, seed: int) -> "TaskSteps":
        """Return the same at another seed; files and models are not looked up again."""
        other = copy(self)
        other.seed = seed
        return other

    def _model(self, name: str) -> Model:
        model = find_model(_place(self.study.models, name), self.task.models, self._lock)
        writes = self.task.head in ("token", "text") or self.training.head == "completion"
        if writes and model.kind == "encoder":
            raise UsageError(f"{name} is an encoder, not a causal language model: {self.task.name} needs the latter")
        return model

    def _source(self) -> Step:
        located = self.task.locate(Where(self.block.data, self.study.data_dir, self._lock))
        spec = {**self._task_spec, **located.spec, "test": self.rows.test, "tune": self.rows.tune}
        if self.rows.pool:
            spec["pool"] = self.rows.pool
        inputs = {"apart": self._apart} if self._apart else {}
        return step("task", spec, inputs, title=f"rows of {self.task.name}", places=located.places)

    @property
    def _task_spec(self) -> dict[str, Any]:
        own = next((each for each in self.study.tasks if each.name == self.task.name), None)
        return {"task": self.task.name} | ({"own": own.plain()} if own else {})

    def label_file(self, source: LabelFile) -> Step:
        """Return the step that reads weak labels from a file."""
        path = Path(source.path).expanduser()
        if not path.is_file():
            raise UsageError(f"the label file {path} of {source.name} does not exist")
        spec = {**self._task_spec, "sha256": file_sha256(path)}
        title = f"labels of {source.name}, {self.task.name}"
        return step("label_file", spec, {"task": self.source}, title=title, places={"labels": str(path)})

    def pool(self, rule: str, members: Mapping[str, Step], split: str) -> Step:
        """Return the step that makes one set of labels on a split from those of several supervisors."""
        spec = self._task_spec | {"rule": rule, "split": split}
        title = f"{rule} of {len(members)} supervisors on {split}, {self.task.name}, seed {self.seed}"
        return step("pool", spec, {"task": self.source, **members}, title=title)

    def zero_shot(self, name: str) -> Step | None:
        """Return the step in which an untuned model is tested; None where its head could not be read."""
        from_words = self.training.head == "unembedding" and self.task.verbalizer and self._causal(name)
        if self.task.head == "class" and not from_words:  # its rows start at zero: there is nothing to read
            return None
        if self.task.head == "reward" and not self._causal(name):  # an encoder gives no text a probability
            return None
        title = f"zero-shot {name}, {self.task.name}"
        return self._model_step("zero_shot", name, {"training": self._untuned("head")}, {}, title)

    def _causal(self, name: str) -> bool:
        return self.models[name].kind == "causal"

    def label(self, name: str, made: Step, split: str) -> Step:
        """Return the step in which a finetuned model labels a split."""
        spec = {"splits": self.sizes([split]), "seed": self.seed, "split": split}
        title = f"{name} labels {split}, {self.task.name}, seed {self.seed}"
        if made.kind == "probe":
            before = {key: each for key, each in made.inputs["features"].inputs.items() if key == "generative"}
            only = ["test"] if split == "test" else []  # of another task, of which nothing else is read
            inputs = {"task": self.source, "features": self.features(name, before, only=only), "model": made}
            return step("probe_label", self._task_spec | spec, inputs, title=title)
        return self._model_step("label", name, spec | {"training": made.spec["training"]}, {"model": made}, title)

    def features(self, name: str, before: Mapping[str, Step] | None = None, *, only: Sequence[str] = ()) -> Step:
        """Return the step that forwards all rows of the task, or `only` those of some splits, through a frozen model.

        `before`: what was done to the model before it was frozen, by input name.
        """
        title = f"features of {name}, {self.task.name}" + (f" after seed {self.seed}" if before else "")
        spec: dict[str, Any] = {"training": self._untuned()}
        if only:
            spec["only"] = list(only)
        if sizes := self.sizes(only):
            spec |= {"splits": sizes, "seed": self.seed}
        return self._model_step("features", name, spec, before or {}, title)

    def generative(self, name: str, split: str) -> Step:
        """Return the step that finetunes a model on a split's texts as language, without looking at labels."""
        spec = {
            "splits": self.sizes([split]),
            "split": split,
            "seed": self.seed,
            "lr": self.training.generative_lr,
            "epochs": self.training.generative_epochs,
            "training": self._untuned("batch", "warmup", "checkpointing"),
        }
        title = f"generative finetuning of {name} on {split}, {self.task.name}, seed {self.seed}"
        inputs = {"background": self._background()} if self.task.background else {}
        return self._model_step("generative", name, spec, inputs, title)

    def _background(self) -> Step:
        kept = {key: value for key, value in self.source.spec.items() if key not in ("test", "tune", "pool")}
        return step("background", kept, title=f"background of {self.task.name}", places=self.source.places)

    def made(
        self,
        name: str,
        *,
        splits: list[str],
        role: str,
        method: Method = METHODS["naive"],
        labels: Mapping[str, Step] | None = None,
        keep: bool = False,
    ) -> Step:
        """Return the step that makes a model from these splits: with truth, or by a method from the labels given."""
        tuning = method.tuning or self.training.tuning
        after = " after its texts" if method.generative and role in ("supervisor", "ceiling") else ""
        title = f"{role} {name}{after}, {self.task.name}, seed {self.seed}"
        if tuning == "none":
            return self._prompt(name, method, labels or {}, title)
        if tuning in PROBED and self.training.head == "completion":
            raise UsageError(
                f"{self.task.name}: with training.head completion there is no probe ({method.name}): that head reads "
                "every token of an option"
            )
        if tuning == "probe" and method.training:
            raise UsageError(
                f"{self.task.name}: {method.name} changes {', '.join(method.training)}, of which a probe has none: "
                "leave it out, or set training.tuning to full or lora"
            )
        spec = self._learning(splits, method, labels) | {"evaluate": "test"}
        inputs = dict(labels or {})
        before = self._before(name, splits, method, tuning)
        if tuning in PROBED or "features" in method.requires:
            # Of what one seed did to a student no other seed or split has use; supervisors label further splits.
            only = ["test", *splits] if before and splits[0] == "student" else []
            inputs["features"] = self.features(name, before, only=only)
        if tuning == "probe":
            return self._probe(name, spec, inputs, title, method)
        if tuning == "probe-then-full":
            inputs["probe"] = self._probe(name, spec, dict(inputs), f"probe before {title}", method)
        inputs |= before
        spec |= {"training": self._settings(method), "keep_weights": keep}
        spec |= self._rate(name, tuning, inputs)
        if self.training.curve:
            spec["curve"] = self.training.curve
        return self._model_step("finetune", name, spec, inputs, title, method)

    def _before(self, name: str, splits: list[str], method: Method, tuning: str) -> dict[str, Step]:
        if not method.generative:
            return {}
        if tuning == "lora":
            raise UsageError(f"{method.name} finetunes all weights first: training.tuning cannot be lora")
        return {"generative": self.generative(name, splits[0])}

    def _probe(self, name: str, spec: Mapping[str, Any], inputs: dict[str, Step], title: str, method: Method) -> Step:
        if spec["validation"]:
            raise UsageError(
                f"{self.task.name}: a probe is fit to its optimum and cannot stop early: set training.stop to last"
            )
        whole = self._task_spec | dict(spec) | _own(method)
        if self.training.l2 == "tune":
            inputs["tune"] = self._tune_probe(name)
        else:
            whole["l2"] = self.training.l2
        return step("probe", whole, {"task": self.source, **inputs}, title=title, places=_own_place(method))

    def _check_tunable(self, setting: str) -> None:
        if not self.rows.tune:
            raise UsageError(
                f"{self.task.name}: training.{setting} is to be found on the tune split: rows.tune must be above 0"
            )

    def _tune_probe(self, name: str) -> Step:
        self._check_tunable("l2")
        spec = self._task_spec | self._learning(["tune_fit"], METHODS["naive"], None) | {"evaluate": "tune_score"}
        inputs = {"task": self.source, "features": self.features(name)}
        runs = {}
        for l2 in PENALTIES:
            title = f"tune probe of {name} at {l2:g}, {self.task.name}"
            runs[f"run_{l2:g}"] = step("probe", spec | {"l2": l2, "seed": 0}, inputs, title=title)
        return step("tune", {"setting": "l2"}, runs, title=f"tune probe of {name}, {self.task.name}")

    def _prompt(self, name: str, method: Method, labels: Mapping[str, Step], title: str) -> Step:
        spec: dict[str, Any] = {"shots": method.shots, "training": self._untuned()}
        if not method.shots:
            return self._model_step("prompt", name, spec, {}, f"{method.name} {name}, {self.task.name}")
        if method.shots > self.rows.student:
            raise UsageError(
                f"{method.name} shows {method.shots} rows of the student's half, which has {self.rows.student}: raise "
                "rows.student"
            )
        told = method.shot_labels
        spec |= {"splits": self.sizes(["student"]), "seed": self.seed, "labels": told}
        return self._model_step("prompt", name, spec, labels if told == "weak" else {}, title)

    def _learning(self, splits: list[str], method: Method, labels: Mapping[str, Step] | None) -> dict[str, Any]:
        """Return what a step is told of the rows, labels and loss it learns from."""
        stop = (method.stop or self.training.stop) if labels else self.training.stop
        validation = None
        if stop != "last" and splits[0] in ("supervisor", "student"):
            told = "weak" if labels and stop == "weak" else "truth"
            validation = {"split": f"{splits[0]}_validation", "labels": told, "checks": self.training.checks}
            self._check_validation_rows(method)
        train: dict[str, Any] = {"splits": splits, "labels": "weak" if labels else "truth"}
        if labels:
            transforms = [[each, dict(options)] for each, options in method.transforms]
            train |= {"hard": method.labels == "hard" or self.task.head == "text", "transforms": transforms}
        return {
            "splits": self.sizes([*splits, *([str(validation["split"])] if validation else [])]),
            "seed": self.seed,
            "train": train,
            "validation": validation,
            "loss": method.loss,
            "loss_options": dict(method.loss_options),
        }

    def _check_validation_rows(self, method: Method) -> None:
        if not (self.rows.supervisor_validation and self.rows.student_validation):
            raise UsageError(
                f"{method.name} on {self.task.name} stops early: rows.supervisor_validation and "
                "rows.student_validation must be above 0"
            )

    def _untuned(self, *more: str) -> dict[str, Any]:
        """Return the settings that a model is keyed by whose head is not trained; `more`: further ones it needs."""
        settings = self._settings(METHODS["naive"])
        return UNTUNED | {name: settings[name] for name in (*READ, *more) if name in settings}

    def _settings(self, method: Method) -> dict[str, Any]:
        """Return the settings of training that a model step is keyed by."""
        settings = self.training.plain() | dict(method.training)
        settings["tuning"] = method.tuning if method.tuning in ("full", "lora") else self.training.tuning
        if settings["tuning"] in PROBED or method.tuning in PROBED:
            settings["tuning"] = "full"
        left_out = [*SAID_ELSEWHERE, *(["lora_rank", "lora_alpha"] if settings["tuning"] != "lora" else [])]
        if not settings["chat_template"]:
            left_out.append("chat_template")  # so that what was made before there were any keeps its key
        return {name: value for name, value in settings.items() if name not in left_out}

    def _rate(self, name: str, tuning: str, inputs: dict[str, Step]) -> dict[str, Any]:
        """Return the learning rate as part of a spec, or put the step that finds it among the inputs."""
        if self.training.lr == "tune":
            inputs["tune"] = self._tune(name, tuning)
            return {}
        if self.training.lr == "default":
            kind = ", completion" if self.training.head == "completion" else ""
            return {"lr": self.models[name].default_lr(self.task.name + kind)}
        return {"lr": self.training.lr}

    def _tune(self, name: str, tuning: str) -> Step:
        self._check_tunable("lr")
        method = METHODS["lora"] if tuning == "lora" else METHODS["naive"]
        spec = self._learning(["tune_fit"], method, None) | {
            "training": self._settings(method),
            "evaluate": "tune_score",
            "keep_weights": False,
        }
        runs = {}
        for lr, seed in product(self._rates(tuning), range(self.training.tune_seeds)):
            title = f"tune {name} at {lr:g}, {self.task.name}"
            runs[f"run_{lr:g}_{seed}"] = self._model_step("finetune", name, spec | {"lr": lr, "seed": seed}, {}, title)
        return step("tune", {}, runs, title=f"tune {name}, {self.task.name}")

    def _rates(self, tuning: str) -> Sequence[float]:
        if self.training.lr_grid:
            return self.training.lr_grid
        return LORA_RATES if tuning == "lora" else LEARNING_RATES["ladder" if self.task.models else "full"]

    def _model_step(
        self,
        kind: str,
        name: str,
        spec: Mapping[str, Any],
        inputs: Mapping[str, Step],
        title: str,
        method: Method = METHODS["naive"],
    ) -> Step:
        model = self.models[name]
        whole = self._task_spec | {"model": model.identity} | dict(spec) | _own(method)
        places = model.places | _own_place(method)
        return step(kind, whole, {"task": self.source, **inputs}, title=title, places=places)

    def sizes(self, splits: Sequence[str]) -> dict[str, int]:
        """Return the sizes of the splits dealt out up to the last of these, so that what comes later changes no key."""
        links = [int(name.removeprefix("link_")) for name in splits if name.startswith("link_")]
        sizes = self.rows.split_sizes(max(links, default=0))
        last = max((list(sizes).index(name) for name in splits if name in sizes), default=-1)
        return dict(list(sizes.items())[: last + 1])


def _place(models: str | Mapping[str, str], name: str) -> str:
    if isinstance(models, str):
        folder = Path(models).expanduser() / name
        return str(folder) if folder.is_dir() else name
    return models.get(name, name)


def _own(method: Method) -> dict[str, Any]:
    return {"method_sha256": file_sha256(Path(method.module))} if method.module else {}


def _own_place(method: Method) -> dict[str, str]:
    return {"method": method.module} if method.module else {}
