"""What the GPU table is made of: the machine, the commit, medians, and Markdown."""
import os
import platform
import statistics
import subprocess


def heading(title, command, versions, commit=None, extra=()):
    """`commit` where it is not that of this folder; `extra`: further lines about the machine."""
    with open("/proc/cpuinfo") as lines:
        processor = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "?")
    if commit is None:
        commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
        status = ["git", "status", "--porcelain", "--untracked-files=no"]
        if subprocess.run(status, capture_output=True, text=True).stdout:
            commit += " with changes"
    return "\n".join(
        [
            f"# {title}",
            "",
            f"- machine: {processor}, {os.cpu_count()} cores, Linux {platform.release()}",
            *(f"- {line}" for line in extra),
            f"- commit: {commit}",
            f"- command: `{command}`",
            f"- versions: {versions}",
            f"- load of the machine when the bench ended (1 and 15 minutes): {os.getloadavg()[0]:.1f}, {os.getloadavg()[2]:.1f}",
            "",
        ]
    )


def spread(values):
    """Median [min-max], three significant digits."""
    digits = lambda x: f"{float(f'{x:.3g}'):,.10g}"  # noqa: E731
    return f"{digits(statistics.median(values))} [{digits(min(values))}-{digits(max(values))}]"


def markdown(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + " --- |" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]) + "\n"
