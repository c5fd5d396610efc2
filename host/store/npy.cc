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
static_assert(kNpyPrefixBytes == kMagic.size() + 2);  // and the header's length, 16 bits
constexpr size_t kAlignment = 64;
constexpr size_t kMaxDimensions = 32;  // NumPy's own limit

constexpr const char* kDescrs[] = {NpyType<float>::kDescr, NpyType<double>::kDescr, NpyType<int32_t>::kDescr,
                                   NpyType<int64_t>::kDescr, NpyType<uint8_t>::kDescr};

[[noreturn]] void Fail(const std::string& where, const std::string& what) {
  throw Error(ErrorCode::kCorrupt, fmt::format("{}: {}", where, what));
}

/// The header is a literal of a Python dict; its three values may come in any order.
class HeaderReader {
 public:
  HeaderReader(std::string_view text, const std::string& where) : rest_(text), where_(where) {}

  NpyHeaderFields Read() {
    Expect('{');
    while (!Skip('}')) {
      const std::string key = Quoted();
      Expect(':');
      if (key == "descr" && !descr_) {
        descr_ = Quoted();
      } else if (key == "fortran_order" && !fortran_order_) {
        fortran_order_ = SkipWord("True");
        if (!*fortran_order_ && !SkipWord("False")) Fail("'fortran_order' is neither True nor False");
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
    if (!descr_ || !fortran_order_ || !shape_) Fail("the header lacks one of 'descr', 'fortran_order' and 'shape'");
    return {*descr_, *fortran_order_, *shape_};
  }

 private:
  [[noreturn]] void Fail(const std::string& what) const { kindred::Fail(where_, what); }

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
  std::optional<bool> fortran_order_;
  std::optional<std::vector<int64_t>> shape_;
};

}  // namespace

std::string NpyHeader(const char* descr, const std::vector<int64_t>& shape) {
  std::string dict = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}{}), }}", descr,
                                 fmt::join(shape, ", "), shape.size() == 1 ? "," : "");
  const size_t used = kNpyPrefixBytes + dict.size() + 1;
  dict.append((kAlignment - used % kAlignment) % kAlignment, ' ').push_back('\n');
  std::string header(kMagic);
  header.push_back(static_cast<char>(dict.size() & 0xff));
  header.push_back(static_cast<char>(dict.size() >> 8));
  return header + dict;
}

size_t NpyHeaderBytes(std::string_view prefix, const std::string& where) {
  if (prefix.size() < kNpyPrefixBytes || !prefix.starts_with(kMagic)) Fail(where, "not an array in NumPy's format 1.0");
  return static_cast<unsigned char>(prefix[kMagic.size()]) |
         static_cast<size_t>(static_cast<unsigned char>(prefix[kMagic.size() + 1])) << 8;
}

NpyHeaderFields ParseNpyHeader(std::string_view header, const std::string& where) {
  return HeaderReader(header, where).Read();
}

NpyArray ParseNpy(std::span<const std::byte> file, const std::string& where) {
  const std::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
  const size_t start = kNpyPrefixBytes + NpyHeaderBytes(text, where);
  if (text.size() < start) Fail(where, "ends within the header");
  const NpyHeaderFields fields = ParseNpyHeader(text.substr(kNpyPrefixBytes, start - kNpyPrefixBytes), where);
  if (fields.fortran_order) Fail(where, "'fortran_order' is not False: only C order is read");
  if (std::find(std::begin(kDescrs), std::end(kDescrs), fields.descr) == std::end(kDescrs))
    Fail(where, fmt::format("type '{}' is not one of {}", fields.descr, fmt::join(kDescrs, " ")));
  const int64_t element_bytes = fields.descr.back() - '0';
  if (start % static_cast<size_t>(element_bytes) != 0)
    Fail(where, fmt::format("the data starts at byte {}, which is no multiple of the element's size", start));
  int64_t expected = element_bytes;
  for (const int64_t size : fields.shape)
    if (__builtin_mul_overflow(expected, size, &expected)) Fail(where, "the shape is too large");
  if (static_cast<size_t>(expected) != text.size() - start)
    Fail(where, fmt::format("has {} bytes of data; its shape ({}) needs {}", text.size() - start,
                            fmt::join(fields.shape, ", "), expected));
  return {fields.descr, fields.shape, file.data() + start};
}

}  // namespace kindred
