#include "host/store/npy.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "tests/support/errors.h"
#include "tests/support/temporary_folder.h"

namespace kindred {
namespace {

using namespace std::string_literals;

NpyArray Parse(const std::string& file) {
  return ParseNpy(std::as_bytes(std::span(file)), "a.npy");
}

/// A file with this dict, padded as the format asks.
std::string FileOf(std::string dict, size_t data_bytes) {
  dict.append(118 - 1 - dict.size(), ' ').append("\n");
  return "\x93NUMPY\x01\x00v\x00"s + dict + std::string(data_bytes, 'd');
}

TEST(Npy, ReadsWhatItWrites) {
  const std::vector<std::vector<int64_t>> shapes = {{}, {0}, {1}, {31}, {32}, {33}, {3, 4}, {0, 7}, {7, 0}, {1, 2, 3}};
  for (const char* descr : {"<f4", "<f8", "<i4", "<i8", "|u1"}) {
    for (const auto& shape : shapes) {
      std::string file = NpyHeader(descr, shape);
      EXPECT_EQ(file.size() % 64, 0u);
      EXPECT_EQ(file.back(), '\n');
      int64_t bytes = descr[2] - '0';
      for (const int64_t size : shape) bytes *= size;
      file.append(static_cast<size_t>(bytes), 'x');
      const NpyArray array = Parse(file);
      EXPECT_EQ(array.descr, descr);
      EXPECT_EQ(array.shape, shape);
      EXPECT_EQ(static_cast<const char*>(array.data), file.data() + file.size() - bytes);
      file.push_back('x');
      ExpectError(ErrorCode::kCorrupt, "bytes of data", [&] { Parse(file); });
    }
  }
}

TEST(Npy, ReadsWhatNumPyWrites) {
  // numpy.save of numpy.arange(6, dtype='<f4').reshape(2, 3), NumPy 2.4
  const std::string file = "\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }"s +
                           std::string(58, ' ') +
                           "\n\x00\x00\x00\x00\x00\x00\x80?\x00\x00\x00@\x00\x00@@\x00\x00\x80@\x00\x00\xa0@"s;
  ASSERT_EQ(file.size(), 128u + 24u);
  const NpyArray array = Parse(file);
  EXPECT_EQ(array.descr, "<f4");
  EXPECT_EQ(array.shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(std::string(static_cast<const char*>(array.data), 24), file.substr(128));
}

TEST(Npy, NumPyReadsWhatItWrites) {
  const TemporaryFolder folder;
  const std::vector<double> values = {0, 0.5, -1, 1e300, 4, 5};
  const std::string data(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(double));
  const std::string matrix = folder.Write("matrix.npy", NpyHeader("<f8", {2, 3}) + data);
  const std::string empty = folder.Write("empty.npy", NpyHeader("<i4", {0}));
  if (std::system("python3 -c 'import numpy' 2> /dev/null") != 0) GTEST_SKIP() << "python3 has no numpy here";
  const std::string script = folder.Write("check.py", R"(
import sys, numpy
matrix, empty = numpy.load(sys.argv[1]), numpy.load(sys.argv[2])
assert matrix.dtype == '<f8' and matrix.tolist() == [[0, 0.5, -1], [1e300, 4, 5]], matrix
assert empty.dtype == '<i4' and empty.shape == (0,), empty
)");
  EXPECT_EQ(std::system(("python3 " + script + " " + matrix + " " + empty).c_str()), 0);
}

TEST(Npy, KeysMayComeInAnyOrder) {
  const NpyArray array = Parse(FileOf("{'shape':(3,),'descr':'<i4','fortran_order':False}", 12));
  EXPECT_EQ(array.shape, std::vector<int64_t>{3});
}

TEST(Npy, RefusesWhatIsNoWholeArray) {
  const std::pair<std::string, std::string> cases[] = {
      {"", "NumPy's format"},
      {"\x93NUMPY", "NumPy's format"},
      {"\x93NUMPY\x02\x00\x10\x00\x00\x00"s, "NumPy's format"},
      {"\x93NUMPY\x01\x00v\x00{"s, "within the header"},
      {FileOf("{'descr': '<f4', 'fortran_order': True, 'shape': (3,), }", 12), "C order"},
      {FileOf("{'descr': '>f4', 'fortran_order': False, 'shape': (3,), }", 12), "type '>f4'"},
      {FileOf("{'descr': '|O', 'fortran_order': False, 'shape': (3,), }", 12), "type '|O'"},
      {FileOf("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", 11), "has 11 bytes"},
      {FileOf("{'descr': '<f4', 'fortran_order': False, 'shape': (-3,), }", 12), "else than sizes"},
      {FileOf("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }", 12), "else than sizes"},
      {FileOf("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4, 0), }", 0), "too large"},
      {FileOf("{'descr': '<f4', 'fortran_order': False, 'shape': (" + std::string(50, '1') + "), }", 0), "else than"},
      {FileOf("{'descr': '<f4', 'fortran_order': False, 'shape': (3 3), }", 36), "expected ')'"},
      {FileOf("{'descr': '<f4', 'fortran_order': False, 'shape': (3,)", 12), "expected '}'"},
      {FileOf("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), 'x': 1}", 12), "key 'x'"},
      {FileOf("{'descr': '<f4', 'descr': '<f4', 'shape': (3,), }", 12), "key 'descr'"},
      {FileOf("{'descr': '<f4', 'shape': (3,), }", 12), "lacks"},
      {FileOf("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), } x", 12), "and a newline"},
      {FileOf("['descr', '<f4']", 12), "expected '{'"},
      {FileOf("{'descr", 12), "expected '''"},
  };
  for (const auto& [file, part] : cases) ExpectError(ErrorCode::kCorrupt, part, [&, &bytes = file] { Parse(bytes); });
}

TEST(Npy, RefusesDataThatIsNotAligned) {
  const std::string dict = "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), } \n";
  std::string file = "\x93NUMPY\x01\x00"s + std::string{static_cast<char>(dict.size()), '\0'} + dict;
  ASSERT_NE(file.size() % 4, 0u);
  file.append(4, 'd');
  ExpectError(ErrorCode::kCorrupt, "multiple of the element's size", [&] { Parse(file); });
}

}  // namespace
}  // namespace kindred
