"""What a shell may complete: names of studies, tasks and splits. Imports its tables only when a shell asks."""

from collections.abc import Iterable


def studies(incomplete: str) -> list[str]:
    """Return the built-in studies that begin so; the shell itself knows files."""
    from outgrow.study_file import built_in_studies

    return _beginning(built_in_studies(), incomplete)


def tasks(incomplete: str) -> list[str]:
    """Return the tasks that begin so."""
    from outgrow.tasks import TASKS

    return _beginning(TASKS, incomplete)


def splits(incomplete: str) -> list[str]:
    """Return the splits that begin so."""
    from outgrow.spec import Rows
    from outgrow.splits import FIXED_SPLITS

    return _beginning([*FIXED_SPLITS, *Rows().split_sizes(2)], incomplete)


def ladders(incomplete: str) -> list[str]:
    """Return the ladders that can be made."""
    return _beginning(["chess"], incomplete)


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
