"""The graphs of the drills."""

from outgrow.dag.step import Step


class Graph:
    """Makes steps that log into one folder."""

    def __init__(self, folder):
        self._places = {"drill": str(folder)}

    def step(self, kind, spec, inputs=None, *, title=""):
        return Step(f"drill_steps:{kind}", 1, spec, inputs or {}, title=title or kind, places=self._places)

    def chain(self, seed, *, length):
        """Return rows and the chunks over them, in order."""
        steps = [self.step("rows", {"seed": seed}, title=f"rows {seed}")]
        for number in range(length):
            inputs = {"rows": steps[0], "previous": steps[-1]}
            steps.append(self.step("chunk", {"number": number}, inputs, title=f"chunk {seed}.{number}"))
        return steps


def chains(folder, *, number=12, length=20):
    """Return the targets: chains side by side, gathered at the end."""
    graph = Graph(folder)
    last = {f"chain{seed}": graph.chain(seed, length=length)[-1] for seed in range(number)}
    return [graph.step("gathered", {}, last)]


def small(folder):
    """Two short chains."""
    return chains(folder, number=2, length=3)


def with_table(folder):
    """Every kind of file: .npy, .safetensors, .json, .parquet."""
    graph = Graph(folder)
    table = graph.step("table", {}, {"gathered": small(folder)[0]})
    return [graph.step("read_table", {}, {"table": table})]


def with_a_large_one(folder):
    """Steps of a few kilobytes and one of two megabytes, with a step that needs it."""
    graph = Graph(folder)
    large = graph.step("large", {"bytes": 2_000_000})
    return [*small(folder), graph.step("large", {"bytes": 10}, {"large": large}, title="after")]


GRAPHS = {each.__name__: each for each in (chains, small, with_table, with_a_large_one)}
