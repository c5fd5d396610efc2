"""The measurements of scripts/gpu_check.sh as Markdown.

Usage: bench/gpu_table.py FOLDER --command TEXT --commit TEXT

Reads what the steps left in the folder: steps.tsv, machine.json, and lines of JSON in ceilings.jsonl, bench.jsonl,
float32.jsonl (kernels.cc) and peer_*.jsonl (peers/gpu_kernels.py). Knows no operation: rates follow from the bytes and
flops of each line, so a new operation needs nothing here.
"""
import argparse
import json
import pathlib
import statistics
import subprocess

from table import heading, markdown, spread

UNITS = {"copy": ("bytes", 1e9, "GB/s"), "fp32": ("flops", 1e12, "TFLOP/s"), "bf16": ("flops", 1e12, "TFLOP/s")}
NEEDED = {"copy": "bytes", "fp32": "fp32_flops", "bf16": "bf16_flops"}


def read_lines(path):
    """(objects, number of lines that are none): the last line of a stopped step may be cut."""
    found, broken = [], 0
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            broken += 1
    return found, broken


def short(value):
    return f"{float(f'{value:.3g}'):,.10g}"


def ceiling_rates(lines):
    """Ceiling -> bytes or flops a second, by the median."""
    return {line["ceiling"]: line[UNITS[line["ceiling"]][0]] / statistics.median(line["seconds"]) for line in lines}


def share(line, rates):
    """(part of the ceiling, what it is): the longest of the times its bytes and flops need, over the time it took."""
    needed = {name: line[field] for name, field in NEEDED.items() if line[field] > 0}
    if not set(needed) <= set(rates):
        return None
    times = {name: amount / rates[name] for name, amount in needed.items()}
    binding = max(times, key=times.get)
    return times[binding] / statistics.median(line["seconds"]), binding


def ratio(line, reference):
    if not reference["seconds"]:
        return ""
    return short(statistics.median(line["seconds"]) / statistics.median(reference["seconds"]))


def our_row(line, rates, reference):
    program = f"kindred, {line['gram_precision']}" if line["operation"] == "als_epoch" else "kindred"
    start = [line["operation"], line["shape"], program]
    if line["error"] > line["error_limit"]:
        return start + ["WRONG, not timed", "", "", "", "", f"{short(line['error'])} {line['error_measure']}"]
    median = statistics.median(line["seconds"])
    found = share(line, rates)
    flops = line["fp32_flops"] + line["bf16_flops"]
    return start + [
        spread([1e3 * s for s in line["seconds"]]),
        short(line["bytes"] / median / 1e9),
        short(flops / median / 1e12),
        f"{100 * found[0]:.3g} % of {found[1]}" if found else "no ceiling",
        ratio(line, reference) if line is not reference else "",
        f"{short(line['error'])} {line['error_measure']}",
    ]


def peer_row(line, ours):
    start = [ours["operation"], ours["shape"], line["program"]]
    if "failed" in line:
        return start + ["failed", "", "", "", "", line["failed"]]
    note = line["note"] + (f"; {100 * line['same_ids']:.4g} % of places as kindred's" if "same_ids" in line else "")
    return start + [spread([1e3 * s for s in line["seconds"]]), "", "", "", ratio(line, ours), note]


def table_of_operations(ours, others, peers, rates):
    rows = []
    for line in ours:
        key = (line["operation"], line["case"])
        rows.append(our_row(line, rates, line))
        for other in (x for x in others if (x["operation"], x["case"]) == key):
            rows.append(our_row(other, rates, line))
        for peer in (x for x in peers if (x.get("operation"), x.get("case")) == key):
            rows.append(peer_row(peer, line))
    header = ["operation", "shape", "program", "ms", "GB/s", "TFLOP/s", "share of the ceiling", "time against kindred's"]
    return markdown(header + ["checked"], rows)


def output_of(command):
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--command", required=True)
    parser.add_argument("--commit", required=True)
    arguments = parser.parse_args()
    folder = arguments.folder

    machine = json.loads((folder / "machine.json").read_text())
    broken = 0
    lines = {}
    for path in sorted(folder.glob("*.jsonl")):
        lines[path.stem], n = read_lines(path)
        broken += n
    peers = [line for name, found in lines.items() if name.startswith("peer_") for line in found]
    versions = sorted({f"{line['program'].split()[0]} {line['version']}" for line in peers if "version" in line})
    driver = output_of(["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]).split("\n")[0]
    found = machine["steps"]
    extra = [f"GPU: {found.get('device', machine['device'])}, {machine['memory_bytes'] / 2**30:.1f} GiB",
             f"driver: {driver or 'version not told'}; {found.get('driver', '')}",
             f"self-test: {found.get('self-test', '')}"]
    print(heading("Kernels on a GPU", arguments.command, ", ".join(versions) or "no peers", arguments.commit, extra))

    steps = [line.split("\t") for line in (folder / "steps.tsv").read_text().splitlines()]
    print(markdown(["step", "result", "s", ""], steps))
    rates = ceiling_rates(lines.get("ceilings", []))
    rows = [[line["ceiling"], line["shape"], f"{short(rates[line['ceiling']] / UNITS[line['ceiling']][1])} "
             f"{UNITS[line['ceiling']][2]}"] for line in lines.get("ceilings", [])]
    print("What the card does at most:\n\n" + markdown(["ceiling", "work", "rate"], rows))
    print(
        "Median [min-max] of the times of whole calls, until the result is there. GB/s and TFLOP/s count what the method "
        "needs (bench/kernel_cases.cc), not what was moved; the ceiling is the longest of the times this takes at the "
        "rates above (bf16x3 products counted three times). Data in the L2 cache can be faster than the copy.\n"
    )
    print(table_of_operations(lines.get("bench", []), lines.get("float32", []), peers, rates))
    for line in peers:
        if "absent" in line:
            print(f"- {line['program']}: {line['absent']}")
    if broken:
        print(f"- {broken} lines of measurements were cut off and are left out")


if __name__ == "__main__":
    main()
