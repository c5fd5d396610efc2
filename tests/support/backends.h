// Every backend there is on this machine, for tests that run on all of them:
//
//   class Gram : public BackendTest {};
//   TEST_P(Gram, ...) { backend(), context() ... }
//   KINDRED_ON_ALL_BACKENDS(Gram);
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "kernels/backend.h"

namespace kindred {

/// "cpu_avx512", "cpu_avx2" (where the processor has them), "cpu_baseline", "strict", "emulated", the CUDA kernels on
/// the emulator, and "emulated_float32", their other precision; where the plug-in finds a card that passes its
/// self-test also "cuda" and "cuda_float32".
std::vector<std::string> AllBackends();
std::unique_ptr<Backend> NewTestBackend(const std::string& name, int n_threads);

class BackendTest : public ::testing::TestWithParam<std::string> {
 protected:
  BackendTest() : backend_(NewTestBackend(GetParam(), 2)), context_(backend_->NewContext()) {}

  Backend& backend() { return *backend_; }
  Context& context() { return *context_; }

  /// How much a test may do here: the emulator runs a thousand times slower than what it emulates.
  int64_t Allowance(int64_t usual, int64_t emulated) const {
    return GetParam().starts_with("emulated") ? emulated : usual;
  }

  template <class T>
  Resident<T> ToBackend(const std::vector<T>& values, int64_t n_rows, int64_t n_cols = 1) {
    Resident<T> result(*backend_, n_rows, n_cols);
    result.Upload(*backend_, *context_, values);
    context_->Wait();
    return result;
  }
  template <class T>
  std::vector<T> ToHost(const Resident<T>& resident) {
    std::vector<T> values(static_cast<size_t>(resident.n_rows() * resident.n_cols()));
    resident.Download(*backend_, *context_, std::span<T>(values));
    context_->Wait();
    return values;
  }

 private:
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Context> context_;
};

#define KINDRED_ON_ALL_BACKENDS(Suite)                                                     \
  INSTANTIATE_TEST_SUITE_P(Backends, Suite, ::testing::ValuesIn(::kindred::AllBackends()), \
                           [](const auto& param_info) { return param_info.param; })

}  // namespace kindred
