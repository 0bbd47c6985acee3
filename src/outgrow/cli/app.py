"""The commands and their options. Each hands over at once to the module that does it."""

from pathlib import Path
from typing import Annotated, Any

import typer

from outgrow.cli import completion

STORE = Path("./outgrow-store")
"""The same as `outgrow.api.DEFAULT_STORE`, which is too heavy to import here; a test compares them."""

StoreOption = Annotated[Path, typer.Option("--store", metavar="DIR", help="Where finished steps are kept.")]
JobsOption = Annotated[
    int | None, typer.Option("--jobs", metavar="N", min=1, help="Worker processes. Default: the usable cores.")
]
DeviceOption = Annotated[
    str, typer.Option("--device", metavar="DEVICE", help="Where models compute: cpu, cuda or cuda:N.")
]
GpusOption = Annotated[
    int, typer.Option("--gpus", metavar="N", min=1, help="So many GPUs share each model, one process on each.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="A.B=VALUE", help="Change a value of the study, such as rows.test=500; repeatable."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on stdout, and nothing else there.")]
PlainOption = Annotated[bool, typer.Option("--plain", help="Plain lines instead of the live display.")]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
StudyArgument = Annotated[
    str,
    typer.Argument(metavar="STUDY", help="A built-in study's name, or a YAML file.", autocompletion=completion.studies),
]

app = typer.Typer(
    name="outgrow",
    help="Weak-to-strong generalization, measured: can a student outgrow its supervisor?",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def command() -> Any:
    """Return the whole command line as one click command."""
    return typer.main.get_command(app)


def _show_version(wanted: bool) -> None:
    if wanted:
        from outgrow import __version__

        typer.echo(f"outgrow {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def outgrow(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Show the help where no command is named."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def run(
    study: StudyArgument = "chess-quick",
    overrides: SetOption = None,
    jobs: JobsOption = None,
    device: DeviceOption = "cpu",
    gpus: GpusOption = 1,
    store: StoreOption = STORE,
    as_json: JsonOption = False,
    plain: PlainOption = False,
    debug: DebugOption = False,
) -> None:
    """Run a study and show what it found.

    What the store has is not done again, so the same command goes on with a study that was interrupted.
    """
    from outgrow.cli.running import run_study

    raise typer.Exit(
        run_study(
            study,
            overrides or [],
            jobs=jobs,
            device=device,
            gpus=gpus,
            store=store,
            as_json=as_json,
            plain=plain,
            debug=debug,
        )
    )


@app.command()
def report(
    study: StudyArgument = "chess-quick",
    overrides: SetOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="The page. Default: reports/STUDY.html in the store.")
    ] = None,
    figures: Annotated[
        Path | None, typer.Option("--figures", metavar="DIR", help="Every figure as SVG and PNG, into this folder.")
    ] = None,
    table: Annotated[
        Path | None, typer.Option("--table", metavar="FILE", help="The table, as .csv, .parquet, .md or .tex.")
    ] = None,
    store: StoreOption = STORE,
    debug: DebugOption = False,
) -> None:
    """Write a study's page, figures or table.

    All of it is made from what the store has. The page is one HTML file that needs no network, to be sent on.
    `outgrow run` writes it too.
    """
    from outgrow.cli.report import write_files

    write_files(study, overrides or [], store=store, out=out, figures=figures, table=table)


@app.command()
def rows(
    study: StudyArgument = "chess-quick",
    overrides: SetOption = None,
    task: Annotated[
        str | None,
        typer.Option(
            "--task", metavar="NAME", help="The task, where the study has several.", autocompletion=completion.tasks
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            "--split",
            metavar="NAME",
            help="Only this split: test, student, ... Default: all that a label file must cover.",
            autocompletion=completion.splits,
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", metavar="N", help="Only this seed's rows.")] = None,
    truth: Annotated[bool, typer.Option("--truth", help="Add the right option, to make labels with errors.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="A .jsonl or .parquet file. Default: stdout.")
    ] = None,
    store: StoreOption = STORE,
    debug: DebugOption = False,
) -> None:
    """Write ids and texts of a study's rows.

    For whoever labels them: a file of labels for these rows can stand in a supervisor's place.
    """
    from outgrow.cli.rows import write_rows

    write_rows(study, overrides or [], task=task, split=split, seed=seed, truth=truth, out=out, store=store)


@app.command()
def plan(
    study: StudyArgument = "chess-quick",
    overrides: SetOption = None,
    store: StoreOption = STORE,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Show a study's grid and steps without running it."""
    from outgrow.cli.planning import show_plan

    show_plan(study, overrides or [], store=store, as_json=as_json)


@app.command()
def status(
    study: Annotated[
        str | None,
        typer.Argument(metavar="STUDY", help="A study; without one, the store.", autocompletion=completion.studies),
    ] = None,
    overrides: SetOption = None,
    store: StoreOption = STORE,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Show what the store holds, or how far a study is."""
    from outgrow.cli import standing

    if study is None:
        standing.show_store(store, as_json=as_json)
    else:
        standing.show_study(study, overrides or [], store=store, as_json=as_json)


@app.command()
def studies(as_json: JsonOption = False, debug: DebugOption = False) -> None:
    """List the built-in studies."""
    from outgrow.cli.listing import show_studies

    show_studies(as_json=as_json)


@app.command()
def tasks(as_json: JsonOption = False, debug: DebugOption = False) -> None:
    """List the tasks."""
    from outgrow.cli.listing import show_tasks

    show_tasks(as_json=as_json)


@app.command()
def models(as_json: JsonOption = False, debug: DebugOption = False) -> None:
    """List the models of the shipped ladder."""
    from outgrow.cli.listing import show_models

    show_models(as_json=as_json)


@app.command()
def methods(as_json: JsonOption = False, debug: DebugOption = False) -> None:
    """List the ways to make a student from weak labels."""
    from outgrow.cli.listing import show_methods

    show_methods(as_json=as_json)


@app.command()
def doctor(store: StoreOption = STORE, as_json: JsonOption = False, debug: DebugOption = False) -> None:
    """Say what is installed, what is missing, and what to type."""
    from outgrow.cli.doctor import show_health

    raise typer.Exit(show_health(store=store, as_json=as_json))


@app.command()
def ladder(
    name: Annotated[
        str, typer.Argument(metavar="chess", help="Which ladder: chess.", autocompletion=completion.ladders)
    ],
    sizes: Annotated[
        str, typer.Option("--sizes", metavar="A,B", help="The sizes to pretrain, by name.")
    ] = "25k,0.1M,0.34M",
    games: Annotated[
        int | None, typer.Option("--games", metavar="N", min=1, help="Self-play games. Default: as shipped.")
    ] = None,
    positions: Annotated[
        int | None, typer.Option("--positions", metavar="N", min=1, help="Positions a size. Default: as shipped.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the finished files go.")] = Path(
        "./outgrow-ladder"
    ),
    jobs: JobsOption = None,
    store: StoreOption = STORE,
    plain: PlainOption = False,
    debug: DebugOption = False,
) -> None:
    """Make the ladder and its tasks again from nothing.

    Takes hours. Interrupt it when you like: the same command goes on where it stopped.
    """
    from outgrow.cli.ladder import make_ladder

    raise typer.Exit(
        make_ladder(
            name, sizes, games=games, positions=positions, out=out, jobs=jobs, store=store, plain=plain, debug=debug
        )
    )


@app.command()
def verify(store: StoreOption = STORE, as_json: JsonOption = False, debug: DebugOption = False) -> None:
    """Compare everything in the store with its checksums."""
    from outgrow.cli.keeping import show_verified

    raise typer.Exit(show_verified(store, as_json=as_json))


@app.command("store")
def show_store(store: StoreOption = STORE, as_json: JsonOption = False, debug: DebugOption = False) -> None:
    """Show what takes the store's space.

    By kind of step, and how many steps each study needs.
    """
    from outgrow.cli.keeping import show_usage

    show_usage(store, as_json=as_json)


@app.command()
def gc(
    forget: Annotated[
        str | None, typer.Option("--forget", metavar="STUDY", help="Let what only this study needs go, too.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what would be deleted.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Delete without asking.")] = False,
    store: StoreOption = STORE,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Delete what no study of the store needs. Asks first."""
    from outgrow.cli.keeping import collect_garbage

    raise typer.Exit(collect_garbage(store, forgotten=forget, dry_run=dry_run, yes=yes, as_json=as_json))


@app.command()
def explain(
    first: Annotated[
        str, typer.Argument(metavar="STEP", help="A finished step: first digits of its key, or words of its title.")
    ],
    second: Annotated[str, typer.Argument(metavar="STEP", help="Another one.")],
    store: StoreOption = STORE,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Say in which fields two finished steps differ."""
    from outgrow.cli.keeping import explain as why

    raise typer.Exit(why(first, second, root=store, as_json=as_json))
