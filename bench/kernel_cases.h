// What bench_kernels measures: every operation of the seam at the sizes that matter, on any backend.
//
// A new operation adds a subclass of KernelCase and a line in KernelCases (kernel_cases.cc), and where another library
// offers the same, a function in bench/peers/gpu_kernels.py. The table needs nothing else.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "bench/synthetic.h"
#include "kernels/backend.h"

namespace kindred {

/// What no implementation of the operation's method can do without: the time it takes at the device's rates is the
/// ceiling. The formulas are those at the heads of the kernels' files.
struct Work {
  double bytes = 0;       // moved between the device's memory and its processors
  double fp32_flops = 0;  // multiplied and added in float32
  double bf16_flops = 0;  // on tensor cores from bf16
};

/// How far an answer is from what it should be, and how far it may be, in `measure`.
struct Check {
  double error = 0;
  double limit = 0;
  std::string measure;
};

class KernelCase {
 public:
  virtual ~KernelCase() = default;
  /// Before each Run, not timed.
  virtual void Prepare() {}
  /// The operation once, until it is done.
  virtual void Run() = 0;
  /// After a Run.
  virtual Check Verify() = 0;

  std::string shape;                          // for people
  std::map<std::string, int64_t> parameters;  // for the peers
  Work work;
};

/// For people: 1,234,567.
std::string Thousands(int64_t n);

template <class T>
std::vector<T> ToHost(Backend& backend, Context& context, const Resident<T>& from) {
  std::vector<T> to(static_cast<size_t>(from.n_rows() * from.n_cols()));
  from.Download(backend, context, std::span<T>(to));
  context.Wait();
  return to;
}

/// What the cases share. Data is made when it is first asked for.
class KernelBench {
 public:
  /// `bf16x3`: how the backend multiplies the Gram matrices of long rows. `data`: a folder, or empty.
  KernelBench(Backend& backend, bool bf16x3, ThreadPool& pool, double scale, std::filesystem::path data);

  Backend& backend() const { return backend_; }
  bool bf16x3() const { return bf16x3_; }
  ThreadPool& pool() const { return pool_; }
  /// n at this run's scale, at least `least`.
  int64_t Scaled(int64_t n, int64_t least) const;
  /// Users x items in the shape of MovieLens 20M.
  const SyntheticMatrix& Interactions();
  /// 1M items x n_factors, the last such asked for.
  const std::vector<float>& ItemFactors(int64_t n_factors);
  /// Writes an array for the peers, where this run writes them; the first of a name stays.
  template <class T>
  void Share(const std::string& name, const std::vector<T>& values) {
    if (!data_.empty() && shared_.insert(name).second) WriteNpy(data_ / (name + ".npy"), values);
  }

 private:
  Backend& backend_;
  bool bf16x3_;
  ThreadPool& pool_;
  double scale_;
  std::filesystem::path data_;
  std::set<std::string> shared_;
  SyntheticMatrix interactions_;
  std::vector<float> item_factors_;
  int64_t item_factors_width_ = 0;
};

/// A case before its data is made.
struct KernelCaseName {
  std::string operation;  // "top_n"
  std::string name;       // "batch=64"
  std::function<std::unique_ptr<KernelCase>(KernelBench&)> make;
};

/// Those of top_n_sparse_case.cc and svd_cases.cc.
void AddTopNSparseCases(std::vector<KernelCaseName>& cases);
void AddSvdCases(std::vector<KernelCaseName>& cases);

/// Those of item_cases.cc.
void AddItemCases(std::vector<KernelCaseName>& cases);

/// Those of cluster_cases.cc.
void AddClusterCases(std::vector<KernelCaseName>& cases);

/// All of them, in the order in which they are run.
std::vector<KernelCaseName> KernelCases();

}  // namespace kindred
