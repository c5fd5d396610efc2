"""What scripts/mutate.py changes in a kernel."""

import sys
import unittest

from sources import ROOT

sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "scripts"))
import mutate  # noqa: E402

KERNEL = """\
// __syncthreads();
/* __syncwarp(); */ const char* text = "CommitCopies()";
__global__ void Kernel() {
  __syncthreads(); if (a) __syncwarp(0xffu << (b & 3));
  any = __syncthreads_or(f(a, b) > 0);
  CommitCopies();
  WaitForCopies<kStages - (2 > 1)>();
  __syncthreads_count_of_mine(); my__syncwarp(); stream.Synchronize();
}
void SyncGroup() {
  SyncAll<kWarp>();
}
"""


class Mutate(unittest.TestCase):
    def test_each_call_is_changed_alone(self):
        lines = KERNEL.splitlines()
        changed = []
        for mutant in mutate.mutants_of("kernels/cuda/b.cu", KERNEL):
            differing = [(i, line) for i, line in enumerate(mutant.text.splitlines()) if line != lines[i]]
            self.assertEqual(1, len(differing), mutant.call)
            self.assertEqual(mutant.line, differing[0][0] + 1)
            changed.append((mutant.call, mutant.change, differing[0][1].strip()))
        none = "static_cast<void>(0)"
        self.assertEqual([
            ("__syncthreads()", "deleted", none + "; if (a) __syncwarp(0xffu << (b & 3));"),
            ("__syncwarp(0xffu << (b & 3))", "deleted", f"__syncthreads(); if (a) {none};"),
            ("__syncthreads_or(f(a, b) > 0)", "deleted", "any = static_cast<int>((f(a, b) > 0) != 0);"),
            ("CommitCopies()", "deleted", none + ";"),
            ("WaitForCopies<kStages - (2 > 1)>()", "deleted", none + ";"),
            ("WaitForCopies<kStages - (2 > 1)>()", "one group less", "WaitForCopies<(kStages - (2 > 1)) + 1>();"),
            ("SyncAll<kWarp>()", "deleted", none + ";"),
        ], changed)

    def test_some_take_turns(self):
        mutants = mutate.mutants_of("kernels/cuda/b.cu", KERNEL)
        seen = [mutant.text for seed in range(len(mutants))
                for mutant in mutate.selected(mutants, [], 1, seed)]
        self.assertEqual(sorted(mutant.text for mutant in mutants), sorted(seen))

    def test_the_repository_has_calls(self):
        paths = sorted((ROOT / mutate.KERNELS).glob("*.cu"))
        self.assertGreater(sum(len(mutate.mutants_of(path.name, path.read_text())) for path in paths), 10)


if __name__ == "__main__":
    unittest.main()
