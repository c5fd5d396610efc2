"""Fails on files that have grown too large to be read in one go."""

import unittest

from sources import ROOT, sources

LIMITS = {(".cc", ".h", ".c", ".cu", ".cuh", ".py", ".sh", ".proto"): 600, ("CMakeLists.txt",): 150}


class Sizes(unittest.TestCase):
    def test_repository(self):
        too_long = []
        for suffixes, limit in LIMITS.items():
            for path in sources(*suffixes):
                n_lines = (ROOT / path).read_bytes().count(b"\n")
                if n_lines > limit:
                    too_long.append(f"{path}: {n_lines} lines; at most {limit}")
        self.assertEqual([], too_long)


if __name__ == "__main__":
    unittest.main()
