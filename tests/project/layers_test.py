"""Fails on an #include that points up, across, or out of where a library may be used.

    kernels <- host/{text <- expression <- report <- store <- data <- data_report <- shop <- intake <- models
        <- features <- conditions <- ranking <- evaluation <- clustering <- segments}, host/cli <- {training, serving}

CUDA's own headers are for three files; the kernels are compiled where no file of CUDA is.
"""

import re
import unittest

from sources import ROOT, sources

HOST = ["host/text", "host/expression", "host/report", "host/store", "host/data", "host/data_report", "host/shop",
        "host/intake", "host/models", "host/features", "host/conditions", "host/ranking", "host/evaluation",
        "host/clustering", "host/segments"]
ALLOWED = {"kernels": ["kernels"], "host/cli": ["kernels", "host/text", "host/cli"], "proto": ["proto"]}
for i, layer in enumerate(HOST):
    ALLOWED[layer] = ["kernels"] + HOST[: i + 1]
ALLOWED["training"] = ["kernels", *HOST, "host/cli", "training"]
ALLOWED["serving"] = ["kernels", *HOST, "host/cli", "serving", "proto"]
FREE = ("tests", "bench")
MAIN = {"main.cc": ["host/cli/command_line.h", "training/commands.h", "serving/commands.h"]}

RPC = re.compile(r"^(grpc|grpc\+\+|grpcpp|google/protobuf)/|\.pb\.h$")
CUDA = re.compile(r"^(cuda|cublas|cusolver|curand|cusparse|cooperative_groups|thrust/|cub/|nv|mma\.h|sm_)")
CUDA_FILES = ("kernels/cuda/device.h", "kernels/cuda/libs.cu", "kernels/cuda/plugin.cu")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)


def layer_of(path):
    parts = path.split("/")
    if path.startswith("kindred/v1/"):  # generated
        return "proto"
    return "/".join(parts[:2]) if parts[0] == "host" else parts[0]


def violations(files):
    """`files`: path from the root -> text. Returns one line for each #include that must not be."""
    found = []
    for path, text in files.items():
        layer = layer_of(path)
        if layer == "bench":
            continue
        if path not in MAIN and layer not in ALLOWED and layer not in FREE:
            found.append(f"{path}: in no known layer")
            continue
        for match in INCLUDE.finditer(text):
            quote, target = match.groups()
            line = f"{path}:{text.count(chr(10), 0, match.start(2)) + 1}: #include {target}"
            if RPC.search(target) and layer not in ("serving", "proto", *FREE):
                found.append(f"{line}: only serving/ and proto/ know gRPC and Protobuf")
            if CUDA.search(target) and path not in CUDA_FILES:
                found.append(f"{line}: CUDA's headers are for {', '.join(CUDA_FILES)} only")
            if layer in FREE:
                continue
            ours = quote == '"' or "/" in target and layer_of(target) in (*ALLOWED, *FREE)
            if not ours:
                continue
            if path in MAIN:
                if target not in MAIN[path]:
                    found.append(f"{line}: main knows only the commands")
            elif layer_of(target) not in ALLOWED[layer]:
                found.append(f"{line}: {layer} must not include {layer_of(target)}")
            elif target not in files and not target.endswith(".pb.h"):
                found.append(f"{line}: no such file; includes start at the root")
    return found


class Layers(unittest.TestCase):
    def test_repository(self):
        files = {path: (ROOT / path).read_text(encoding="utf-8") for path in sources(".cc", ".h", ".cu", ".cuh")}
        self.assertGreater(len(files), 50)
        self.assertEqual([], violations(files))

    def test_arrows_that_must_be_reported(self):
        headers = ["kernels/a.h", "host/text/a.h", "host/expression/a.h", "host/store/a.h", "host/data/a.h", "host/models/a.h", "host/ranking/a.h",
                   "host/evaluation/a.h", "host/cli/a.h", "training/a.h", "serving/a.h"]
        wrong = [
            ("kernels/b.cc", "host/store/a.h"),
            ("host/text/b.cc", "host/expression/a.h"),
            ("host/expression/b.cc", "host/data/a.h"),
            ("host/store/b.cc", "host/data/a.h"),
            ("host/report/b.cc", "host/data/a.h"),
            ("host/data/b.cc", "host/models/a.h"),
            ("host/models/b.cc", "host/ranking/a.h"),
            ("host/ranking/b.cc", "host/evaluation/a.h"),
            ("host/store/b.cc", "host/cli/a.h"),
            ("host/cli/b.cc", "host/store/a.h"),
            ("host/evaluation/b.cc", "training/a.h"),
            ("training/b.cc", "serving/a.h"),
            ("serving/b.cc", "training/a.h"),
            ("training/b.cc", "grpcpp/grpcpp.h"),
            ("host/data/b.cc", "google/protobuf/message.h"),
            ("training/b.cc", "kindred/v1/recommender.pb.h"),
            ("host/data/b.cc", "cuda_runtime.h"),
            ("kernels/cuda/b.cu", "cuda_runtime.h"),
            ("tests/simt/b.h", "cuda_runtime.h"),
            ("kernels/cuda/b.cu", "cuda_bf16.h"),
            ("kernels/cuda/b.h", "mma.h"),
            ("kernels/cuda/b.cu", "cub/block/block_reduce.cuh"),
            ("serving/b.cc", "b.h"),
            ("training/b.cc", "tests/support/a.h"),
            ("training/b.cc", "training/missing.h"),
            ("main.cc", "training/a.h"),
            ("elsewhere/b.cc", "kernels/a.h"),
        ]
        for path, target in wrong:
            for form in ('#include "%s"', "#include <%s>", ' # include"%s"'):
                if form.endswith("<%s>") and "/" not in target and not target.startswith("cuda"):
                    continue
                files = {header: "" for header in headers} | {path: "// text\n" + form % target + "\n"}
                with self.subTest(path=path, target=target, form=form):
                    self.assertTrue(violations(files))

    def test_arrows_that_are_right(self):
        files = {"kernels/a.h": "", "host/store/a.h": '#include "kernels/a.h"\n#include <vector>',
                 "kernels/cuda/libs.cu": "#include <cuda_runtime.h>", "bench/a.cu": "#include <cuda_runtime.h>",
                 "host/cli/command_line.h": "", "serving/commands.h": "", "training/commands.h": "",
                 "serving/b.cc": '#include "host/store/a.h"\n#include "kindred/v1/x.pb.h"\n#include <grpcpp/grpcpp.h>',
                 "main.cc": '#include "training/commands.h"', "tests/a.cc": '#include "whatever.h"'}
        self.assertEqual([], violations(files))


if __name__ == "__main__":
    unittest.main()
