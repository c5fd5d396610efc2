#include "kernels/cuda/backend.h"

#include <algorithm>

#include "kernels/require.h"

namespace kindred::cuda {

CudaContext::CudaContext() : flags_(kMaxFlags * 8) {}

CudaContext::~CudaContext() {
  try {
    copy_stream_.Synchronize();
    stream_.Synchronize();
  } catch (const Error&) {  // nobody is left to be told
  }
}

void CudaContext::Wait() {
  std::vector<unsigned long long> values(reports_.size());
  const auto reports = std::move(reports_);
  reports_.clear();
  if (!values.empty()) stream_.CopyToHost(values.data(), flags_.data(), static_cast<int64_t>(values.size()) * 8);
  stream_.Synchronize();
  kept_.clear();
  for (size_t i = 0; i < values.size(); ++i)
    if (values[i] != ~0ULL) throw reports[i](values[i]);
}

char* CudaContext::Reserve(int64_t bytes) {
  if (bytes > workspace_bytes_) {
    stream_.Synchronize();
    workspace_ = DeviceMemory();
    workspace_bytes_ = 0;
    workspace_ = DeviceMemory(bytes);
    workspace_bytes_ = bytes;
  }
  return workspace_.as<char>();
}

namespace {

__global__ void RaiseFlag(unsigned long long* flag) {
  *flag = ~0ULL;
}

}  // namespace

unsigned long long* CudaContext::NewFlag(std::function<Error(unsigned long long)> report) {
  if (reports_.size() == kMaxFlags) Wait();
  unsigned long long* flag = flags_.as<unsigned long long>() + reports_.size();
  reports_.reserve(kMaxFlags);
  Launch(RaiseFlag, dim3(1), dim3(1), 0, stream_.handle(), flag);
  reports_.push_back(std::move(report));
  return flag;
}

CudaBackend::CudaBackend(std::string name, GramPrecision precision)
    : name_(std::move(name)), precision_(precision), facts_(QueryDevice()) {}

DeviceInfo CudaBackend::Describe() const {
  return {name_, facts_.name, "", 0, facts_.memory_bytes};
}

std::unique_ptr<Context> CudaBackend::NewContext(int) {
  return std::make_unique<CudaContext>();
}

Buffer CudaBackend::Allocate(int64_t bytes) {
  Require(bytes >= 0, "a buffer of negative size");
  void* data = cuda::Allocate(std::max<int64_t>(bytes, 1));
  return {data, bytes, std::shared_ptr<const void>(data, [](void* p) { Free(p); })};
}

Buffer CudaBackend::Import(std::span<const std::byte> data, std::shared_ptr<const void>) {
  Buffer buffer = Allocate(static_cast<int64_t>(data.size()));
  Stream stream;
  stream.CopyToDevice(buffer.As<std::byte>().data, data.data(), static_cast<int64_t>(data.size()));
  stream.Synchronize();
  return buffer;
}

void CudaBackend::Upload(Context& context, std::span<const std::byte> from, View<std::byte> to) {
  Require(static_cast<int64_t>(from.size()) == to.size, "an upload of another size than its buffer");
  static_cast<CudaContext&>(context).stream().CopyToDevice(to.data, from.data(), to.size);
}

void CudaBackend::Download(Context& context, View<const std::byte> from, std::span<std::byte> to) {
  Require(static_cast<int64_t>(to.size()) == from.size, "a download of another size than its buffer");
  static_cast<CudaContext&>(context).stream().CopyToHost(to.data(), from.data, from.size);
}

}  // namespace kindred::cuda
