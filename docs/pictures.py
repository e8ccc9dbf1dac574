"""The pictures of the documentation, made by the code that they show: those of the first page, and the gallery.

A file of the gallery begins with two comments, its title and the command that draws it; the name of the picture is that of
the file that the command writes.
"""

from __future__ import annotations

import io
import shlex
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

HERE = Path(__file__).parent
GALLERY = sorted((HERE / "gallery").glob("*.toml"))


def leap_picture() -> bytes:
    """Samples of one giant step that see a direction, against d, by leap."""
    from asymptotics.figures import save
    from asymptotics.figures.style_sheet import looks
    from hermite import Target, leap

    def draw(figure: object) -> None:
        ax = figure.add_subplot()  # type: ignore[attr-defined]
        for look, text in zip(looks(), ("z1 + z1*z2", "z1*z2", "He3(z1)"), strict=False):
            index = leap(Target(text)).leap_index
            ax.plot(
                [10, 1000],
                [10.0**index, 1000.0**index],
                color=look["color"],
                linestyle=look["linestyle"],
                marker="",
                label=f"{text}: leap {index}",
            )
        ax.set(
            xscale="log", yscale="log", xlabel="input dimension $d$", ylabel=r"samples of a step, $d^{\ell}$"
        )
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=1)

    return save(draw)["png"]


def giant_step_picture() -> bytes:
    """Neurons in the plane of two directions after 0, 1 and 2 giant steps, predicted and simulated."""
    from asymptotics import Network, Simulation, Training, overlaps, simulate
    from asymptotics.figures import save
    from asymptotics.figures.neuron_clouds import plot_clouds

    training, network = Training(steps=2, alpha=4.0, eta=1.5), Network(activation="relu")
    f = "z1 + z1*z2"
    law = overlaps(f, network, training)
    setting = Simulation(d=200, width=200, replicates=1, seed=0)
    cloud = simulate(f, network, training, None, setting).overlaps
    return save(lambda figure: plot_clouds(law, figure, cloud), (7.0, 2.7))["png"]


def plateau_picture() -> bytes:
    """Test error of the ridge fit after 0, 1 and 2 steps; dotted what no fit of n, p = Θ(d) gets below."""
    from asymptotics import Experiment
    from asymptotics.comparison.curves import curve_rows
    from asymptotics.comparison.theory_lines import dense_rows
    from asymptotics.figures import save
    from asymptotics.figures.curve_figure import curve_page

    experiment = Experiment.from_toml(
        'target = {expression = "z1 + z1*z2"}\ntraining = {steps = [0, 1, 2], eta = 1.5}\n'
        "ridge = {alpha = [1.0, 4.0, 16.0, 64.0], beta = 8.0, lambda = 0.1}"
    )
    rows = curve_rows(experiment, accuracy=0.0)
    dense = dense_rows(experiment, "alpha", rows)
    return save(lambda figure: curve_page(rows, figure, dense))["png"]


FIRST_PAGE = {"leap": leap_picture, "giant-step": giant_step_picture, "plateau": plateau_picture}


def command_of(file: Path) -> tuple[str, list[str]]:
    """Title and arguments of ``giantstep`` of one file of the gallery."""
    title, command = (line.removeprefix("# ") for line in file.read_text(encoding="utf-8").splitlines()[:2])
    return title, shlex.split(command)[1:]


def drawn(file: Path) -> bytes:
    """The picture of one file of the gallery."""
    from asymptotics.commands.cli import run

    _, arguments = command_of(file)
    with tempfile.TemporaryDirectory() as folder:
        here = [str(HERE / "gallery" / a) if a.endswith(".toml") else a for a in arguments]
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()) as said:
            code = run([*here, "--out", f"{folder}/out"])
        found = sorted(Path(folder, "out").glob(f"{arguments[0]}*.png"))
        if code or not found:
            raise RuntimeError(
                f"{file.name} of the gallery ended with code {code} and drew nothing: {said.getvalue()}"
            )
        return found[0].read_bytes()


def gallery_page() -> str:
    """The page: every file with its command and its figure."""
    lines = ["# Gallery", "", "Every figure with the file that made it, and the command.", ""]
    for file in GALLERY:
        title, arguments = command_of(file)
        body = "\n".join(file.read_text(encoding="utf-8").splitlines()[2:]).strip()
        lines += [f"## {title}", "", f"![{title}](pictures/{file.stem}.png)", ""]
        lines += ["```text", "giantstep " + shlex.join([*arguments, "--out", "results"]), "```", ""]
        lines += ["```toml", f"# {file.name}", body, "```", ""]
    return "\n".join(lines)


def write_all(folder: Path) -> None:
    """Every picture into ``folder``; what is there is newer than nothing and stays."""
    folder.mkdir(exist_ok=True)
    for name, make in FIRST_PAGE.items():
        place = folder / f"{name}.png"
        if not place.exists():
            place.write_bytes(make())
    for file in GALLERY:
        place = folder / f"{file.stem}.png"
        if not place.exists() or place.stat().st_mtime < file.stat().st_mtime:
            place.write_bytes(drawn(file))
