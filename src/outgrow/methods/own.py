"""A user's own method: one Python file with METHOD, and the functions that the built-in tables lack.

The file is run to be read, at planning and in every worker; so it imports torch inside its functions only.
"""

import ast
import hashlib
import inspect
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, get_args, get_type_hints

from pydantic import ValidationError

from outgrow.errors import StepError, UsageError
from outgrow.methods.method import LOSS_NAMES, OWN, Method, Requirement
from outgrow.methods.table import METHODS
from outgrow.spec import Training
from outgrow.transforms import TRANSFORMS, Transform

STUDY_S = (
    *("lr", "lr_grid", "tune_seeds", "tuning", "l2", "head", "max_tokens", "stop", "checks", "curve"),
    *("generative_lr", "generative_epochs"),
)
"""Settings of training whose place a method cannot take: all models share them, or a method says them elsewhere."""


@dataclass(frozen=True)
class OwnModule:
    """What a method file defines: METHOD, and where it has them a loss's two parts and a label transform."""

    method: Method
    rows: Callable[..., Any] | None
    target: Callable[..., Any] | None
    transform: Transform | None

    @property
    def told(self) -> tuple[str, ...]:
        """Return what of the truth the method is told, its own transform (SEES_TRUTH in the file) included."""
        own = [options for name, options in self.method.transforms if name == OWN]
        if not own or self.transform is None or not self.transform.sees_truth:
            return self.method.told
        return (self.transform.told(**own[0]), *self.method.told)


def own_method(path: str) -> Method:
    """Return METHOD of this file, with the file as its `module`; UsageError names the file and line."""
    return _read(Path(path).expanduser().resolve()).method


def own_module(path: str, sha256: str) -> OwnModule:
    """Return what the file defines, after checking that it is still the one that the study was planned with."""
    if not Path(path).is_file():
        raise StepError(f"the method file {path} is not there any more: put it back, or plan the study again")
    if hashlib.sha256(Path(path).read_bytes()).hexdigest() != sha256:
        raise StepError(f"the method file {path} has changed since the study was planned: run the study again")
    try:
        return _read(Path(path))
    except UsageError as error:
        raise StepError(str(error)) from error


def _read(path: Path) -> OwnModule:
    if not path.is_file():
        raise UsageError(f"there is no method file {path}")
    module, line = _run(path)
    method = getattr(module, "METHOD", None)
    if method is None:
        raise UsageError(f"{path} defines no METHOD: write METHOD = Method(name=..., about=..., source=...)")
    if not isinstance(method, Method):
        raise UsageError(f"{path}, line {line}: METHOD is a {type(method).__name__}, not an outgrow.methods.Method")
    rows, target = getattr(module, "rows", None), getattr(module, "target", None)
    own = OwnModule(replace(method, module=str(path)), rows, target, _transform(module, method))
    for problem in [*_wrong_names(own), *_wrong_values(own)]:
        raise UsageError(f"{path}, line {line}: {problem}")
    return own


def _transform(module: ModuleType, method: Method) -> Transform | None:
    apply = getattr(module, "transform", None)
    if apply is None:
        return None
    confession = getattr(module, "SEES_TRUTH", "")
    return Transform(apply, confession=confession, needs_features="features" in method.requires)


def _run(path: Path) -> tuple[ModuleType, int]:
    """Run the file under a private name; return the module and the line of METHOD."""
    source = path.read_bytes()
    module = ModuleType(f"_outgrow_method_{hashlib.sha256(source).hexdigest()[:16]}")
    module.__file__ = str(path)
    try:
        tree = ast.parse(source, filename=str(path))
        code = compile(tree, str(path), "exec")
    except SyntaxError as error:
        raise UsageError(f"{path}, line {error.lineno}: {error.msg}") from None
    except ValueError as error:  # null bytes, not UTF-8
        raise UsageError(f"{path} is not a Python file: {error}") from None
    sys.modules[module.__name__] = module  # dataclasses look their module up by name
    try:
        exec(code, module.__dict__)
    except Exception as error:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        where = f"{path}, line {lines[-1]}" if lines else str(path)
        raise UsageError(f"{where}: {type(error).__name__}: {error}") from error
    return module, _line_of_method(tree)


def _line_of_method(tree: ast.Module) -> int:
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(each, ast.Name) and each.id == "METHOD" for each in targets):
            return node.lineno
    return 1


def _wrong_names(own: OwnModule) -> list[str]:
    """Return what a user's METHOD names that there is not; the type checker sees to the built-in ones."""
    method, found = own.method, []
    if method.name in METHODS:
        found.append(f"there is a built-in method {method.name!r}: give yours another name")
    if method.control and method.control not in METHODS:
        found.append(f"control is {method.control!r}: it must be a built-in method")
    names = {name for name, _ in method.transforms}
    for each in sorted(names - {OWN, *TRANSFORMS}):
        found.append(f"there is no label transform {each!r}: choose {OWN!r} or one of {', '.join(TRANSFORMS)}")
    if method.loss not in (OWN, *LOSS_NAMES):
        found.append(f"there is no loss {method.loss!r}: choose {OWN!r} or one of {', '.join(LOSS_NAMES)}")
    if (method.loss == OWN) != bool(own.rows or own.target):
        found.append(f"loss={OWN!r} and a function rows or target belong together: only one of the two is there")
    if (OWN in names) != bool(own.transform):
        found.append(f"the transform {OWN!r} and a function transform belong together: only one of the two is there")
    found += _at_odds(method)
    for each in sorted(set(method.requires) - set(get_args(Requirement))):
        found.append(f"there is no requirement {each!r}: choose from {', '.join(get_args(Requirement))}")
    return found


def _at_odds(method: Method) -> list[str]:
    """Return which choices of a user's METHOD would silently do nothing beside its others."""
    trains = (method.transforms, method.loss != "cross-entropy", method.chain, method.links, method.stop)
    cases = {
        "tuning='none' trains nothing: transforms, loss, chain, links, stop, generative and training are not for it": (
            method.tuning == "none" and any((*trains, method.generative, method.training))
        ),
        "shots are for tuning='none' only": bool(method.shots) and method.tuning != "none",
        "pool goes with neither chain nor links": bool(method.pool) and (method.chain or method.links),
    }
    fixed = [
        f"training.{name} is the study's to set, for all its models" for name in method.training if name in STUDY_S
    ]
    return [*fixed, *(what for what, is_so in cases.items() if is_so)]


def _wrong_values(own: OwnModule) -> list[str]:
    """Return which choices and options of a user's METHOD are none that can be taken."""
    method, found = own.method, []
    for name, hint in get_type_hints(Method).items():
        value = getattr(method, name)
        if str in map(type, get_args(hint)) and value not in get_args(hint):
            found.append(f"{name} is {value!r}: choose one of {', '.join(repr(each) for each in get_args(hint))}")
    try:
        Training.model_validate(dict(method.training))
    except ValidationError as error:
        first = error.errors()[0]
        found.append(f"training.{'.'.join(map(str, first['loc']))}: {first['msg']}")
    calls = [("rows", own.rows, 3, method.loss_options), ("target", own.target, 3, method.loss_options)]
    for name, options in method.transforms:
        known = TRANSFORMS.get(name) if name != OWN else own.transform
        calls.append((f"the transform {name!r}", known.apply if known else None, 2, options))
    for what, function, places, given in calls:
        try:
            if function:
                inspect.signature(function).bind(*[None] * places, **given)
        except TypeError as error:
            found.append(f"{what} cannot be called with the options {dict(given)}: {error}")
    return found
