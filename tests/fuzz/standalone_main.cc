// Drives a fuzz target without libFuzzer: every file of its corpus, then random mutations of them.
//
//   fuzz_NAME CORPUS [--runs N] [--seed S] [--seconds T] [--length L]
//
// An input that crashes the target is left in crash-NAME, in the working folder; replay it by naming that file
// as the corpus. The mutations depend on nothing but the seed; after T seconds the run ends early, and says so.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
extern "C" void __sanitizer_set_death_callback(void (*callback)()) __attribute__((weak));

namespace {

namespace fs = std::filesystem;
using Input = std::vector<uint8_t>;

char crash_path[256];
char running[512];
const Input* current = nullptr;

/// Async-signal-safe: the process is about to end.
void KeepInput() {
  if (current == nullptr) return;
  const int file = ::open(crash_path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
  bool kept = file >= 0 && ::write(file, current->data(), current->size()) >= 0;
  const char* const message[] = {"\nfuzz: failed on ", running, "; the input is in ", crash_path, "\n"};
  for (const char* text : message) kept = ::write(STDERR_FILENO, text, std::strlen(text)) >= 0 && kept;
  current = nullptr;
}

void OnSignal(int signal) {
  KeepInput();
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

void RunOne(const Input& input, const std::string& what) {
  std::snprintf(running, sizeof running, "%s", what.c_str());
  current = &input;
  LLVMFuzzerTestOneInput(input.data(), input.size());
  current = nullptr;
}

class Mutator {
 public:
  Mutator(const std::vector<Input>& corpus, uint64_t seed, size_t max_length)
      : corpus_(corpus), random_(seed), max_length_(max_length) {}

  Input Next() {
    Input input = Pick(corpus_);
    for (size_t n = 1 + Below(8); n > 0; --n) Change(input);
    if (input.size() > max_length_) input.resize(max_length_);
    return input;
  }

 private:
  size_t Below(size_t n) { return n == 0 ? 0 : static_cast<size_t>(random_() % n); }
  const Input& Pick(const std::vector<Input>& from) { return from[Below(from.size())]; }

  void Change(Input& input) {
    static constexpr uint8_t kBytes[] = {0,   1,   9,   '\n', '\r', ' ', '"',  '\'', ',',
                                         '-', '.', '0', '9',  '[',  '{', 0x7f, 0x80, 0xff};
    const size_t at = Below(input.size() + 1);
    const size_t length = Below(std::min<size_t>(input.size() - at, 64) + 1);
    const auto position = input.begin() + static_cast<std::ptrdiff_t>(at);
    switch (Below(7)) {
      case 0:
        if (at < input.size()) input[at] ^= static_cast<uint8_t>(1u << Below(8));
        break;
      case 1:
        if (at < input.size()) input[at] = kBytes[Below(std::size(kBytes))];
        break;
      case 2:
        input.insert(position, 1 + Below(Below(16) == 0 ? 1000 : 4), kBytes[Below(std::size(kBytes))]);
        break;
      case 3:
        input.erase(position, position + static_cast<std::ptrdiff_t>(length));
        break;
      case 4:
        input.resize(at);
        break;
      case 5: {  // a part of itself, again somewhere
        const Input part(position, position + static_cast<std::ptrdiff_t>(length));
        input.insert(input.begin() + static_cast<std::ptrdiff_t>(Below(input.size() + 1)), part.begin(), part.end());
        break;
      }
      default: {  // the end of another input
        const Input& other = Pick(corpus_);
        input.resize(at);
        input.insert(input.end(), other.begin() + static_cast<std::ptrdiff_t>(Below(other.size() + 1)), other.end());
      }
    }
  }

  const std::vector<Input>& corpus_;
  std::mt19937_64 random_;
  size_t max_length_;
};

std::vector<std::pair<std::string, Input>> ReadCorpus(const fs::path& path) {
  std::vector<fs::path> files;
  if (fs::is_regular_file(path)) files.push_back(path);
  if (fs::is_directory(path))
    for (const auto& entry : fs::directory_iterator(path)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  std::vector<std::pair<std::string, Input>> corpus;
  for (const fs::path& file : files) {
    std::ifstream stream(file, std::ios::binary);
    corpus.emplace_back(file.filename().string(), Input(std::istreambuf_iterator<char>(stream), {}));
  }
  return corpus;
}

int Run(const fs::path& program, const fs::path& corpus_path, int64_t n_runs, uint64_t seed, int64_t seconds,
        size_t max_length) {
  std::snprintf(crash_path, sizeof crash_path, "crash-%s", program.filename().string().substr(5).c_str());
  for (const int signal : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL})
    if (__sanitizer_set_death_callback == nullptr || signal == SIGABRT) std::signal(signal, OnSignal);
  if (__sanitizer_set_death_callback != nullptr) __sanitizer_set_death_callback(KeepInput);

  const auto corpus = ReadCorpus(corpus_path);
  if (corpus.empty()) {
    std::fprintf(stderr, "fuzz: no corpus at %s\n", corpus_path.c_str());
    return 1;
  }
  RunOne({}, "the empty input");
  std::vector<Input> inputs;
  for (const auto& [name, input] : corpus) {
    RunOne(input, "corpus file " + name);
    inputs.push_back(input);
  }
  const auto start = std::chrono::steady_clock::now();
  Mutator mutator(inputs, seed, max_length);
  int64_t run = 0;
  for (; run < n_runs && std::chrono::steady_clock::now() - start < std::chrono::seconds(seconds); ++run)
    RunOne(mutator.Next(), "run " + std::to_string(run) + " of seed " + std::to_string(seed));
  std::printf("%zu corpus files and %lld of %lld mutations (seed %llu)%s\n", corpus.size(), static_cast<long long>(run),
              static_cast<long long>(n_runs), static_cast<unsigned long long>(seed),
              run < n_runs ? ", out of time" : "");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  int64_t n_runs = 20000;
  uint64_t seed = 1;
  int64_t seconds = 10;
  size_t max_length = 1 << 16;
  bool known = argc % 2 == 0;
  for (int i = 2; i + 1 < argc; i += 2) {
    const std::string flag = argv[i];
    const long long value = std::atoll(argv[i + 1]);
    if (flag == "--runs")
      n_runs = value;
    else if (flag == "--seed")
      seed = static_cast<uint64_t>(value);
    else if (flag == "--seconds")
      seconds = value;
    else if (flag == "--length")
      max_length = static_cast<size_t>(value);
    else
      known = false;
  }
  if (!known) {
    std::fprintf(stderr, "usage: %s CORPUS [--runs N] [--seed S] [--seconds T] [--length L]\n", argv[0]);
    return 2;
  }
  return Run(argv[0], argv[1], n_runs, seed, seconds, max_length);
}
