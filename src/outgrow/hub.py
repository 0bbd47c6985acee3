"""The Hugging Face hub: which revision of what is used, kept in a lock file, and files of that revision.

Planning resolves names through a `Lock`; workers fetch what is pinned into the hub's own cache. No loading script is
ever run and no pickle fetched. huggingface_hub is imported when something is asked of the hub, not before.
"""

import json
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import yaml

from outgrow.errors import StepError, UsageError
from outgrow.models.sizes import non_embedding

if TYPE_CHECKING:
    from huggingface_hub import HfApi

CONVERTED = "refs/convert/parquet"
"""Where the hub keeps every data set as Parquet, those with a loading script too."""
READABLE = (".parquet", ".jsonl", ".jsonl.gz", ".csv", ".csv.gz")
REPO = re.compile(r"^[\w.-]+/[\w.-]+$")
MODEL_FILES = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "spiece.model",
    "tokenizer.model",
    "sentencepiece.bpe.model",
    "model.safetensors",
    "model.safetensors.index.json",
    "model-*.safetensors",
)
"""All that is ever fetched of a model: no .bin, no .pt, no code, no second copy in a folder of its own."""


@dataclass(frozen=True)
class DataPin:
    """A data set as it is used: a commit, and its files by split, in order."""

    revision: str
    files: dict[str, list[str]]


@dataclass(frozen=True)
class ModelPin:
    """A model as it is used: a commit, its size without embeddings, and what its config.json says it is."""

    revision: str
    parameters: int
    architectures: list[str]
    model_type: str


class Lock:
    """The revisions that a study uses: read from a YAML file, resolved and added to it where they are not there yet.

    What the file has is never asked of the network. Without a path the lock lives in memory alone.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self._kept = _read(path) if path is not None and path.is_file() else {"datasets": {}, "models": {}}

    def dataset(self, name: str, config: str = "", *, known: Iterable[str] = ()) -> DataPin:
        """Return the pin of a data set's configuration; `known` names may be what a misspelt one meant."""
        configs = self._kept["datasets"].setdefault(name, {})
        key = config or "default"
        if key not in configs:
            with told(f"the data set {name}", known=known):
                configs[key] = asdict(_resolve_dataset(name, config))
            self._write()
        with self._undamaged(name):
            return DataPin(**configs[key])

    def model(self, name: str) -> ModelPin:
        """Return the pin of a model; UsageError where the hub has none of this name, or none in safetensors."""
        models = self._kept["models"]
        if name not in models:
            with told(f"the model {name}"):
                models[name] = asdict(_resolve_model(name))
            self._write()
        with self._undamaged(name):
            return ModelPin(**models[name])

    @contextmanager
    def _undamaged(self, name: str) -> Iterator[None]:
        try:
            yield
        except TypeError:
            raise UsageError(f"the lock file {self.path} is damaged at {name}: delete that entry") from None

    def _write(self) -> None:
        if self.path is None:
            return
        kept = {kind: {name: each for name, each in found.items() if each} for kind, found in self._kept.items()}
        text = "# Revisions from the hub, resolved at first use. Delete an entry to use the newest.\n"
        text += yaml.safe_dump(kept, sort_keys=True)
        try:
            with tempfile.NamedTemporaryFile("w", dir=self.path.parent, delete=False, encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(file.name).chmod(0o644)
            Path(file.name).replace(self.path)
        except OSError as error:
            raise UsageError(f"the lock file {self.path} cannot be written: {error.strerror}") from None


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        kept = {kind: dict((data or {}).get(kind) or {}) for kind in ("datasets", "models")}
    except (yaml.YAMLError, UnicodeDecodeError, AttributeError, ValueError, TypeError):
        raise UsageError(f"the lock file {path} is damaged: delete it, and revisions are resolved anew") from None
    return kept


def dataset_file(name: str, revision: str, file: str) -> Path:
    """Return a file of a data set at this commit, fetched into the hub's cache if it is not there."""
    from huggingface_hub import hf_hub_download

    with told(f"the data set {name}", error=StepError):
        return Path(hf_hub_download(name, file, repo_type="dataset", revision=revision, endpoint=_endpoint()))


def model_folder(name: str, revision: str) -> Path:
    """Return a folder with the model at this commit, fetched into the hub's cache as far as it is not there."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]

    disable_progress_bars()
    with told(f"the model {name}", error=StepError):
        folder = snapshot_download(name, revision=revision, allow_patterns=list(MODEL_FILES), endpoint=_endpoint())
        return Path(folder)


def _resolve_dataset(name: str, config: str) -> DataPin:
    api = _api()
    info = api.dataset_info(name)
    if info.gated:
        api.auth_check(name, repo_type="dataset")
    converted = [each for each in api.list_repo_refs(name, repo_type="dataset").converts if each.ref == CONVERTED]
    plain = [each.rfilename for each in info.siblings or ()]
    if converted:
        revision = converted[0].target_commit
        files = api.list_repo_files(name, repo_type="dataset", revision=revision)
        # A folder is no configuration to the hub unless the card says so: the converted rows may mix all folders.
        plain = [each for each in plain if config and _in_folder(each, config)]
        if not plain or any(each.startswith(f"{config}/") for each in files):
            return DataPin(revision, _converted_splits(name, files, config))
    if info.sha is None:
        raise UsageError(f"the hub names no revision of the data set {name}")
    return DataPin(info.sha, _plain_splits(name, plain, config))


def _in_folder(file: str, folder: str) -> bool:
    return file.startswith(f"{folder}/") and file.endswith(READABLE)


def _converted_splits(name: str, files: Sequence[str], config: str) -> dict[str, list[str]]:
    """Return the files of each split: they lie in <config>/<split>, those of a shortened one in partial-<split>."""
    parts = [PurePosixPath(each).parts for each in sorted(files) if each.endswith(".parquet")]
    by_config: dict[str, dict[str, list[str]]] = {}
    for each in parts:
        if len(each) == 3:
            splits = by_config.setdefault(each[0], {})
            splits.setdefault(each[1].removeprefix("partial-"), []).append("/".join(each))
    return by_config[_chosen(name, config, sorted(by_config))]


def _chosen(name: str, config: str, configs: Sequence[str]) -> str:
    if config in configs:
        return config
    if not config and len(configs) == 1:
        return configs[0]
    if not config and "default" in configs:
        return "default"
    told_configs = ", ".join(configs) or "none"
    raise UsageError(f"the data set {name} has no configuration {config or 'default'}: it has {told_configs}")


def _plain_splits(name: str, files: Sequence[str], config: str) -> dict[str, list[str]]:
    """Return the files of each split in a repository of plain files, told by the names of files and folders."""
    readable = [each for each in sorted(files) if each.endswith(READABLE)]
    if config:
        of_config = [each for each in readable if config in re.split(r"[/._-]", each) or f"{config}/" in each]
        readable = of_config or ([] if config != "default" else readable)
    splits: dict[str, list[str]] = {}
    for each in readable:
        path = PurePosixPath(each)
        stem = re.split(r"[.-]", path.name)[0]
        split = path.parent.name if stem.isdigit() or stem in ("data", "part") else stem
        splits.setdefault(split, []).append(each)
    if not splits:
        raise UsageError(
            f"the data set {name} has no Parquet, JSONL or CSV files{f' of {config}' if config else ''}: download it, "
            "and name the folder under data_dir"
        )
    return splits


def _resolve_model(name: str) -> ModelPin:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import NotASafetensorsRepoError, SafetensorsParsingError

    api = _api()
    revision = api.model_info(name).sha
    if revision is None:
        raise UsageError(f"the hub names no revision of the model {name}")
    try:
        metadata = api.get_safetensors_metadata(name, revision=revision)
    except NotASafetensorsRepoError:
        raise UsageError(
            f"the model {name} has no safetensors file: weights in other formats are not read; convert it, and name "
            "the folder"
        ) from None
    except SafetensorsParsingError as error:
        raise UsageError(f"the model {name} has a safetensors file that cannot be read: {error}") from None
    shapes = {n: each.shape for file in metadata.files_metadata.values() for n, each in file.tensors.items()}
    path = Path(hf_hub_download(name, "config.json", revision=revision, endpoint=_endpoint()))
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        architectures, model_type = list(config.get("architectures") or []), str(config.get("model_type", ""))
    except (ValueError, AttributeError, TypeError):
        raise UsageError(f"the config.json of the model {name} is not a JSON object") from None
    return ModelPin(revision, non_embedding(shapes), architectures, model_type)


def _api() -> "HfApi":
    from huggingface_hub import HfApi

    return HfApi(endpoint=_endpoint())


def _endpoint() -> str | None:
    return os.environ.get("HF_ENDPOINT") or None


@contextmanager
def told(
    what: str, *, known: Iterable[str] = (), error: type[UsageError] | type[StepError] = UsageError
) -> Iterator[None]:
    """Turn what goes wrong with the hub into one message that names the thing and the remedy."""
    from huggingface_hub import errors

    lost = errors.HTTPError  # type: ignore[attr-defined]  # of whichever library speaks HTTP
    try:
        yield
    except (errors.EntryNotFoundError, errors.HFValidationError, lost, ConnectionError, TimeoutError) as problem:
        raise error(_explained(what, problem, known)) from None


def _explained(what: str, problem: Exception, known: Iterable[str]) -> str:
    from huggingface_hub import errors

    local = "name the folder of a copy"
    if what.startswith("the data set"):
        local = "name a folder with its rows as data, or one with a folder a task as data_dir"
    unreachable = (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled)
    kinds: tuple[tuple[Any, str], ...] = (
        (unreachable, _unreachable(what, local)),
        (
            errors.GatedRepoError,
            f"{what} is gated: accept its terms on the hub and set HF_TOKEN to a token of yours, or {local}",
        ),
        (
            errors.RepositoryNotFoundError,
            f"{what} is not on the hub, or is private{_near(what, known)}: check the name, set HF_TOKEN if it is "
            f"yours, or {local}",
        ),
        (errors.RevisionNotFoundError, f"{what} lost the revision in the lock file: delete its entry there"),
        (errors.EntryNotFoundError, f"{what} lacks a file that it needs: {_first_line(problem)}"),
        (errors.HFValidationError, f"{what} has a name that the hub does not allow: {_first_line(problem)}"),
        (errors.HfHubHTTPError, f"the hub refuses {what}: {_first_line(problem)}; set HF_TOKEN, try later, or {local}"),
    )
    return next((message for kind, message in kinds if isinstance(problem, kind)), _unreachable(what, local))


def _unreachable(what: str, local: str) -> str:
    from huggingface_hub import constants

    if constants.is_offline_mode():
        return f"{what} is not in the cache, and HF_HUB_OFFLINE is set: unset it once to fetch it, or {local}"
    return f"{what} is needed and the hub cannot be reached: check the network, or {local}"


def _near(what: str, known: Iterable[str]) -> str:
    import difflib

    near = difflib.get_close_matches(what.rpartition(" ")[2], sorted(known), n=1, cutoff=0.6)
    return f" (did you mean {near[0]}?)" if near else ""


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def hub_place(name: str, revision: str) -> str:
    """Return the place of a hub model, as steps carry it."""
    return f"hub:{name}@{revision}"


def from_hub_place(place: str) -> tuple[str, str] | None:
    """Return name and revision of a place that `hub_place` made; None for a folder."""
    name, at, revision = place.removeprefix("hub:").rpartition("@")
    return (name, revision) if place.startswith("hub:") and at else None
