// The factory of kindred_cuda.so (kernels/plugin_interface.h).
#include "kernels/plugin_interface.h"

#include "kernels/build_id.h"
#include "kernels/cuda/backend.h"

namespace kindred {
namespace {

bool Driver(PluginDriver* driver, PluginError* error) {
  return WithoutThrowing(error, [&] { *driver = {cuda::DriverVersion(), CUDART_VERSION}; });
}

bool Device(PluginDevice* device, PluginError* error) {
  return WithoutThrowing(error, [&] {
    const cuda::DeviceFacts facts = cuda::QueryDevice();
    CopyText(device->name, facts.name.c_str());
    device->major = facts.major;
    device->minor = facts.minor;
    device->n_multiprocessors = facts.n_multiprocessors;
    device->memory_bytes = facts.memory_bytes;
  });
}

bool FreeMemory(int64_t* bytes, PluginError* error) {
  return WithoutThrowing(error, [&] { *bytes = cuda::FreeMemory(); });
}

Backend* NewBackend(GramPrecision precision, PluginError* error) {
  Backend* backend = nullptr;
  WithoutThrowing(error, [&] { backend = new cuda::CudaBackend("cuda", precision); });
  return backend;
}

}  // namespace
}  // namespace kindred

const char* kindred_plugin_build_id() {
  return kindred::BuildId();
}

const kindred::PluginTable* kindred_plugin_table() {
  static constexpr kindred::PluginTable kTable = {kindred::Driver, kindred::Device, kindred::FreeMemory,
                                                  kindred::NewBackend};
  return &kTable;
}
