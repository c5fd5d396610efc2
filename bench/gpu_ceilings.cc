// What the card can do at most, one JSON object a line: a copy within its memory, and large matrix products in float32
// and bf16 by cuBLAS. The table of scripts/gpu_check.sh measures the kernels against these rates.
#include <cublas_v2.h>
#include <cuda_runtime_api.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

constexpr int kRounds = 12;

void Check(cudaError_t status, const char* what) {
  if (status != cudaSuccess) throw std::runtime_error(std::string(what) + ": " + cudaGetErrorString(status));
}
void Check(cublasStatus_t status, const char* what) {
  if (status != CUBLAS_STATUS_SUCCESS)
    throw std::runtime_error(std::string(what) + ": " + cublasGetStatusString(status));
}

class Memory {
 public:
  explicit Memory(size_t bytes) { Check(cudaMalloc(&data_, bytes), "cudaMalloc"); }
  ~Memory() { cudaFree(data_); }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  void* get() const { return data_; }

 private:
  void* data_ = nullptr;
};

template <class Body>
void Print(const char* ceiling, const char* shape, double amount, const char* unit, Body body) {
  body();
  Check(cudaDeviceSynchronize(), "warm-up");
  std::string seconds;
  for (int round = 0; round < kRounds; ++round) {
    const auto start = std::chrono::steady_clock::now();
    body();
    Check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
    const double taken = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    seconds += (round == 0 ? "" : ", ") + std::to_string(taken);
  }
  std::printf("{\"ceiling\": \"%s\", \"shape\": \"%s\", \"%s\": %.9g, \"seconds\": [%s]}\n", ceiling, shape, unit,
              amount, seconds.c_str());
  std::fflush(stdout);
}

void Copy() {
  size_t free = 0, total = 0;
  Check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
  const size_t bytes = std::min<size_t>(size_t{4} << 30, free / 4) / 4096 * 4096;
  const Memory from(bytes), to(bytes);
  Check(cudaMemset(from.get(), 1, bytes), "cudaMemset");
  const std::string shape = std::to_string(bytes >> 20) + " MiB, read and written";
  Print("copy", shape.c_str(), 2.0 * static_cast<double>(bytes), "bytes",
        [&] { Check(cudaMemcpyAsync(to.get(), from.get(), bytes, cudaMemcpyDeviceToDevice), "cudaMemcpy"); });
}

// Random, as zeros are multiplied with less power and so faster.
template <class T>
void Fill(const Memory& memory, size_t n, T (*from_float)(float)) {
  std::mt19937 engine(1);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<T> values(n);
  for (size_t i = 0; i < n; ++i) values[i] = i < 1 << 20 ? from_float(uniform(engine)) : values[i % (1 << 20)];
  Check(cudaMemcpy(memory.get(), values.data(), n * sizeof(T), cudaMemcpyHostToDevice), "cudaMemcpy");
}

void Gemm(cublasHandle_t library, const char* name, cudaDataType_t type, size_t bytes_each, int n) {
  const size_t size = static_cast<size_t>(n) * static_cast<size_t>(n);
  const Memory a(size * bytes_each), b(size * bytes_each), c(size * 4);
  for (const Memory* memory : {&a, &b}) {
    if (type == CUDA_R_32F) {
      Fill<float>(*memory, size, [](float x) { return x; });
    } else {
      Fill<uint16_t>(*memory, size, [](float x) {  // bf16 is the upper half
        uint32_t bits;
        static_assert(sizeof bits == sizeof x);
        std::copy_n(reinterpret_cast<const char*>(&x), sizeof x, reinterpret_cast<char*>(&bits));
        return static_cast<uint16_t>(bits >> 16);
      });
    }
  }
  const float one = 1, zero = 0;
  const std::string shape = std::to_string(n) + " x " + std::to_string(n) + " x " + std::to_string(n);
  Print(name, shape.c_str(), 2.0 * static_cast<double>(size) * n, "flops", [&] {
    Check(cublasGemmEx(library, CUBLAS_OP_N, CUBLAS_OP_N, n, n, n, &one, a.get(), type, n, b.get(), type, n, &zero,
                       c.get(), CUDA_R_32F, n, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT),
          "cublasGemmEx");
  });
}

}  // namespace

int main() {
  try {
    Check(cudaSetDevice(0), "cudaSetDevice");
    Copy();
    cublasHandle_t library = nullptr;
    Check(cublasCreate(&library), "cublasCreate");
    Check(cublasSetMathMode(library, CUBLAS_PEDANTIC_MATH), "cublasSetMathMode");  // float32 is float32
    Gemm(library, "fp32", CUDA_R_32F, 4, 8192);
    Check(cublasSetMathMode(library, CUBLAS_DEFAULT_MATH), "cublasSetMathMode");
    Gemm(library, "bf16", CUDA_R_16BF, 2, 8192);
    Check(cublasDestroy(library), "cublasDestroy");
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "gpu_ceilings: %s\n", error.what());
    return 1;
  }
}
