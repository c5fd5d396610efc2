#include "kernels/cpu/host_memory.h"

#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <string>

namespace kindred {
namespace {

constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();

/// The number behind `key` in a file of lines "key number"; -1 where there is none.
int64_t NumberIn(const std::string& path, const std::string& key) {
  std::ifstream file(path);
  std::string word;
  while (file >> word)
    if (int64_t number = 0; word == key && file >> number) return number;
  return -1;
}

int64_t FirstNumber(const std::string& path) {
  std::ifstream file(path);
  int64_t number = 0;
  return file >> number ? number : -1;  // "max": no limit
}

/// Where a version of control groups has its files, and what they are called.
struct GroupFiles {
  const char* root;
  const char* limit;
  const char* usage;
};
constexpr GroupFiles kVersion2 = {"/sys/fs/cgroup", "/memory.max", "/memory.current"};
constexpr GroupFiles kVersion1 = {"/sys/fs/cgroup/memory", "/memory.limit_in_bytes", "/memory.usage_in_bytes"};

/// What one group leaves; pages of files that it holds can be had back.
int64_t LeftBy(const GroupFiles& files, const std::string& path) {
  const std::string group = files.root + path;
  const int64_t limit = FirstNumber(group + files.limit), usage = FirstNumber(group + files.usage);
  if (limit < 0 || usage < 0) return kNoLimit;
  int64_t left = limit - usage;
  for (const char* pages : {"inactive_file", "active_file"})
    left += std::max<int64_t>(0, NumberIn(group + "/memory.stat", pages));
  return std::max<int64_t>(0, left);
}

}  // namespace

int64_t AvailableMemory() {
  const int64_t kibibytes = NumberIn("/proc/meminfo", "MemAvailable:");
  int64_t available = kibibytes < 0 ? 0 : kibibytes * 1024;
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const bool is_version2 = line.rfind("0::", 0) == 0;
    const size_t colon = line.rfind(':');
    if (!is_version2 && line.find(":memory:") == std::string::npos) continue;
    const GroupFiles& files = is_version2 ? kVersion2 : kVersion1;
    for (std::string path = line.substr(colon + 1); path.find('/') != std::string::npos; path.resize(path.rfind('/')))
      available = std::min(available, LeftBy(files, path));
    available = std::min(available, LeftBy(files, ""));  // a container's own group is its root
  }
  return available;
}

int64_t ResidentMemory() {
  std::ifstream statm("/proc/self/statm");
  int64_t all = 0, resident = 0;
  return statm >> all >> resident ? resident * sysconf(_SC_PAGESIZE) : 0;
}

int64_t PeakMemory() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return int64_t{usage.ru_maxrss} * 1024;
}

void TrimMemory() {
  malloc_trim(0);
}

}  // namespace kindred
