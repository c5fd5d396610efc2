#include "host/store/npy.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>
#include <string_view>

#include "kernels/error.h"

namespace kindred {
namespace {

constexpr std::string_view kMagic("\x93NUMPY\x01\x00", 8);
constexpr size_t kPrefixBytes = kMagic.size() + 2;  // and the header's length, 16 bits
constexpr size_t kAlignment = 64;
constexpr size_t kMaxDimensions = 32;  // NumPy's own limit

constexpr const char* kDescrs[] = {NpyType<float>::kDescr, NpyType<double>::kDescr, NpyType<int32_t>::kDescr,
                                   NpyType<int64_t>::kDescr, NpyType<uint8_t>::kDescr};

/// The header is a literal of a Python dict; its three values may come in any order.
class HeaderReader {
 public:
  HeaderReader(std::string_view text, const std::string& where) : rest_(text), where_(where) {}

  NpyArray Read() {
    Expect('{');
    while (!Skip('}')) {
      const std::string key = Quoted();
      Expect(':');
      if (key == "descr" && !descr_) {
        descr_ = Quoted();
      } else if (key == "fortran_order" && !ordered_) {
        if (!SkipWord("False")) Fail("'fortran_order' is not False: only C order is read");
        ordered_ = true;
      } else if (key == "shape" && !shape_) {
        shape_ = Tuple();
      } else {
        Fail(fmt::format("the header's key '{}' is unknown or comes twice", key));
      }
      if (!Skip(',')) {
        Expect('}');
        break;
      }
    }
    SkipSpaces();
    if (rest_ != "\n") Fail("the header does not end with its dict and a newline");
    if (!descr_ || !ordered_ || !shape_) Fail("the header lacks one of 'descr', 'fortran_order' and 'shape'");
    return {*descr_, *shape_, nullptr};
  }

  [[noreturn]] void Fail(const std::string& what) const {
    throw Error(ErrorCode::kCorrupt, fmt::format("{}: {}", where_, what));
  }

 private:
  void SkipSpaces() { rest_.remove_prefix(std::min(rest_.find_first_not_of(' '), rest_.size())); }

  bool Skip(char c) {
    SkipSpaces();
    if (rest_.empty() || rest_[0] != c) return false;
    rest_.remove_prefix(1);
    return true;
  }

  void Expect(char c) {
    if (!Skip(c)) Fail(fmt::format("the header is not a dict as NumPy writes it: expected '{}'", c));
  }

  bool SkipWord(std::string_view word) {
    SkipSpaces();
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }

  std::string Quoted() {
    Expect('\'');
    const size_t end = std::min(rest_.find('\''), rest_.size());
    std::string text(rest_.substr(0, end));
    rest_.remove_prefix(end);
    Expect('\'');
    return text;
  }

  std::vector<int64_t> Tuple() {
    std::vector<int64_t> values;
    Expect('(');
    while (!Skip(')')) {
      SkipSpaces();
      int64_t value = 0;
      const auto [end, problem] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
      if (problem != std::errc() || value < 0) Fail("the shape holds something else than sizes");
      rest_.remove_prefix(static_cast<size_t>(end - rest_.data()));
      values.push_back(value);
      if (values.size() > kMaxDimensions) Fail("the shape has too many dimensions");
      if (!Skip(',')) {
        Expect(')');
        break;
      }
    }
    return values;
  }

  std::string_view rest_;
  const std::string& where_;
  std::optional<std::string> descr_;
  bool ordered_ = false;
  std::optional<std::vector<int64_t>> shape_;
};

}  // namespace

std::string NpyHeader(const char* descr, const std::vector<int64_t>& shape) {
  std::string dict = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}{}), }}", descr,
                                 fmt::join(shape, ", "), shape.size() == 1 ? "," : "");
  const size_t used = kPrefixBytes + dict.size() + 1;
  dict.append((kAlignment - used % kAlignment) % kAlignment, ' ').push_back('\n');
  std::string header(kMagic);
  header.push_back(static_cast<char>(dict.size() & 0xff));
  header.push_back(static_cast<char>(dict.size() >> 8));
  return header + dict;
}

NpyArray ParseNpy(std::span<const std::byte> file, const std::string& where) {
  const std::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
  if (text.size() < kPrefixBytes || !text.starts_with(kMagic))
    throw Error(ErrorCode::kCorrupt, where + ": not an array in NumPy's format 1.0");
  const size_t header_bytes = static_cast<unsigned char>(text[kMagic.size()]) |
                              static_cast<size_t>(static_cast<unsigned char>(text[kMagic.size() + 1])) << 8;
  const size_t start = kPrefixBytes + header_bytes;
  if (text.size() < start) throw Error(ErrorCode::kCorrupt, where + ": ends within the header");

  HeaderReader reader(text.substr(kPrefixBytes, header_bytes), where);
  NpyArray array = reader.Read();
  if (std::find(std::begin(kDescrs), std::end(kDescrs), array.descr) == std::end(kDescrs))
    reader.Fail(fmt::format("type '{}' is not one of {}", array.descr, fmt::join(kDescrs, " ")));
  const int64_t element_bytes = array.descr.back() - '0';
  if (start % static_cast<size_t>(element_bytes) != 0)
    reader.Fail(fmt::format("the data starts at byte {}, which is no multiple of the element's size", start));
  int64_t expected = element_bytes;
  for (const int64_t size : array.shape)
    if (__builtin_mul_overflow(expected, size, &expected)) reader.Fail("the shape is too large");
  if (static_cast<size_t>(expected) != text.size() - start)
    reader.Fail(fmt::format("has {} bytes of data; its shape ({}) needs {}", text.size() - start,
                            fmt::join(array.shape, ", "), expected));
  array.data = file.data() + start;
  return array;
}

}  // namespace kindred
