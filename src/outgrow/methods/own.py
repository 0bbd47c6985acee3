"""A user's own method: one Python file with METHOD, and the functions that the built-in tables lack.

The file is run to be read, at planning and in every worker; so it imports torch inside its functions only.
"""

import ast
import hashlib
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, get_args, get_type_hints

from outgrow.errors import StepError, UsageError
from outgrow.methods.method import LOSS_NAMES, OWN, Method, Requirement
from outgrow.methods.table import METHODS
from outgrow.transforms import TRANSFORMS, Transform


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
    for problem in _problems(method, has_loss=bool(rows or target), has_transform=hasattr(module, "transform")):
        raise UsageError(f"{path}, line {line}: {problem}")
    return OwnModule(replace(method, module=str(path)), rows, target, _transform(module, method))


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


def _problems(method: Method, *, has_loss: bool, has_transform: bool) -> list[str]:
    """Return what is wrong with a user's METHOD; the type checker sees to the built-in ones."""
    found = []
    if method.name in METHODS:
        found.append(f"there is a built-in method {method.name!r}: give yours another name")
    for name, hint in get_type_hints(Method).items():
        value = getattr(method, name)
        if str in map(type, get_args(hint)) and value not in get_args(hint):
            found.append(f"{name} is {value!r}: choose one of {', '.join(repr(each) for each in get_args(hint))}")
    if method.control and method.control not in METHODS:
        found.append(f"control is {method.control!r}: it must be a built-in method")
    names = {name for name, _ in method.transforms}
    found += [
        f"there is no label transform {name!r}: choose {OWN!r} or one of {', '.join(TRANSFORMS)}"
        for name in sorted(names - {OWN, *TRANSFORMS})
    ]
    if method.loss not in (OWN, *LOSS_NAMES):
        found.append(f"there is no loss {method.loss!r}: choose {OWN!r} or one of {', '.join(LOSS_NAMES)}")
    if (method.loss == OWN) != has_loss:
        found.append(f"loss={OWN!r} and a function rows or target belong together: only one of the two is there")
    if (OWN in names) != has_transform:
        found.append(f"the transform {OWN!r} and a function transform belong together: only one of the two is there")
    return found + [
        f"there is no requirement {each!r}: choose from {', '.join(get_args(Requirement))}"
        for each in method.requires
        if each not in get_args(Requirement)
    ]
