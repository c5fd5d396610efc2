#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zip.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <random>
#include <stdexcept>

#include "host/store/checksum.h"
#include "host/store/npy.h"
#include "tests/host/intake/source_rows.h"
#include "tests/support/errors.h"

namespace kindred {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

template <class T>
std::string Npy(const char* descr, const std::vector<T>& values, std::vector<int64_t> shape = {-1}) {
  if (shape == std::vector<int64_t>{-1}) shape = {static_cast<int64_t>(values.size())};
  return NpyHeader(descr, shape) + std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

std::string Int32(const std::vector<int32_t>& values) {
  return Npy("<i4", values);
}
std::string Int64(const std::vector<int64_t>& values) {
  return Npy("<i8", values);
}
std::string Float(const std::vector<float>& values) {
  return Npy("<f4", values);
}
std::string Format(const std::string& name) {
  return NpyHeader("|S3", {}) + name;
}

using Members = std::map<std::string, std::string>;

std::string WriteNpz(const TemporaryFolder& folder, const Members& members, int method = ZIP_CM_DEFLATE) {
  std::string path = (folder.path() / "a.npz").string();
  int status = 0;
  zip_t* archive = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &status);
  for (const auto& [name, content] : members) {
    zip_source_t* source = zip_source_buffer(archive, content.data(), content.size(), 0);
    const zip_int64_t index = zip_file_add(archive, (name + ".npy").c_str(), source, 0);
    zip_set_file_compression(archive, static_cast<zip_uint64_t>(index), method, 0);
  }
  if (zip_close(archive) != 0) throw std::runtime_error("zip");
  return path;
}

SourceRows ReadNpz(const Members& members, int method = ZIP_CM_DEFLATE, size_t block_bytes = 4 << 20) {
  const TemporaryFolder folder;
  const std::string path = WriteNpz(folder, members, method);
  SourceRows read = ReadSource(*OpenRows(path, {.format = InputFormat::kNpz, .block_bytes = block_bytes}));
  EXPECT_EQ(read.info.sha256, Sha256(Content(path)));
  EXPECT_EQ(read.info.bytes, static_cast<int64_t>(Content(path).size()));
  return read;
}

/// A matrix of 4 x 3:  . 1 2 / . . . / 3 . . / . . 4
Members Csr() {
  return {{"format", Format("csr")},
          {"shape", Int64({4, 3})},
          {"indptr", Int32({0, 2, 2, 3, 4})},
          {"indices", Int32({1, 2, 0, 2})},
          {"data", Float({1, 2, 3, 4})}};
}

Members With(Members members, const std::string& name, const std::string& content) {
  members[name] = content;
  return members;
}

void Fails(ErrorCode code, const std::string& part, const Members& members) {
  for (const size_t block_bytes : {16, 4 << 20})
    ExpectError(code, part, [&] { ReadNpz(members, ZIP_CM_DEFLATE, block_bytes); });
}

TEST(Npz, Matrices) {
  const std::vector<std::string> by_row = {"1: 0 1 1.0", "2: 0 2 2.0", "3: 2 0 3.0", "4: 3 2 4.0"};
  for (const int method : {ZIP_CM_STORE, ZIP_CM_DEFLATE})
    for (const size_t block_bytes : {16, 32, 48, 64, 4096}) {
      const SourceRows read = ReadNpz(Csr(), method, block_bytes);
      EXPECT_THAT(read.columns, ElementsAre("user", "item", "value"));
      EXPECT_EQ(read.rows, by_row);
      EXPECT_THAT(read.texts, ElementsAre());
      EXPECT_EQ(ReadNpz({{"format", Format("coo")},
                         {"shape", Int32({4, 3})},
                         {"row", Int64({0, 0, 2, 3})},
                         {"col", Int32({1, 2, 0, 2})},
                         {"data", Npy<double>("<f8", {1, 2, 3, 4})}},
                        method, block_bytes)
                    .rows,
                by_row);
      EXPECT_THAT(ReadNpz({{"format", NpyHeader("<U3", {}) + std::string("c\0\0\0s\0\0\0c\0\0\0", 12)},
                           {"shape", Int64({4, 3})},
                           {"indptr", Int64({0, 1, 2, 4})},
                           {"indices", Int64({2, 0, 0, 3})},
                           {"data", Float({3, 1, 2, 4})}},
                          method, block_bytes)
                      .rows,
                  ElementsAre("1: 2 0 3.0", "2: 0 1 1.0", "3: 0 2 2.0", "4: 3 2 4.0"));
    }
}

TEST(Npz, MatricesWithoutEntries) {
  for (const int64_t rows : {0, 1, 31, 32, 33, 10000}) {
    const Members members = {{"format", Format("csr")},
                             {"shape", Int64({rows, 5})},
                             {"indptr", Int64(std::vector<int64_t>(static_cast<size_t>(rows + 1), 0))},
                             {"indices", Int32({})},
                             {"data", Float({})}};
    EXPECT_THAT(ReadNpz(members).rows, ElementsAre()) << rows;
  }
}

TEST(Npz, TypesOfData) {
  const auto values = [](const std::string& data) {
    std::vector<std::string> cells;
    for (const std::string& row : ReadNpz(With(Csr(), "data", data)).rows) cells.push_back(row.substr(7));
    return cells;
  };
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_THAT(values(Float({0.5f, std::nanf(""), infinity, -1})), ElementsAre("0.5", "~", "inf", "-1.0"));
  EXPECT_THAT(values(Npy<double>("<f8", {0.1, 1e300, 0, 1})), ElementsAre("0.1", "1e+300", "0.0", "1.0"));
  EXPECT_THAT(values(Npy<int8_t>("|i1", {-128, 127, 0, 1})), ElementsAre("-128.0", "127.0", "0.0", "1.0"));
  EXPECT_THAT(values(Npy<uint8_t>("|u1", {255, 1, 2, 3})), ElementsAre("255.0", "1.0", "2.0", "3.0"));
  EXPECT_THAT(values(Npy<int16_t>("<i2", {-300, 1, 2, 3})), ElementsAre("-300.0", "1.0", "2.0", "3.0"));
  EXPECT_THAT(values(Npy<uint16_t>("<u2", {65535, 1, 2, 3})), ElementsAre("65535.0", "1.0", "2.0", "3.0"));
  EXPECT_THAT(values(Npy<int32_t>("<i4", {-70000, 1, 2, 3})), ElementsAre("-70000.0", "1.0", "2.0", "3.0"));
  EXPECT_THAT(values(Npy<uint32_t>("<u4", {4000000000u, 1, 2, 3})), ElementsAre("4000000000.0", "1.0", "2.0", "3.0"));
  EXPECT_THAT(values(Npy<int64_t>("<i8", {-5000000000, 1, 2, 3})), ElementsAre("-5000000000.0", "1.0", "2.0", "3.0"));
  EXPECT_THAT(values(Npy<uint64_t>("<u8", {1ull << 40, 1, 2, 3})), ElementsAre("1099511627776.0", "1.0", "2.0", "3.0"));
  EXPECT_THAT(values(Npy<uint8_t>("|b1", {1, 0, 2, 1})), ElementsAre("1.0", "0.0", "1.0", "1.0"));
}

TEST(Npz, ArraysThatAreNotRead) {
  constexpr auto kInvalid = ErrorCode::kInvalidArgument;
  Fails(kInvalid, "a.npz' has no array 'format'; expected a matrix that scipy.sparse.save_npz wrote",
        {{"arr_0", Float({1})}});
  Fails(ErrorCode::kUnsupported, "a.npz': array 'format': is 'bsr'; expected 'csr', 'csc' or 'coo'",
        With(Csr(), "format", Format("bsr")));
  Fails(ErrorCode::kUnsupported, "array 'format': is 'dia'", With(Csr(), "format", Format("dia")));
  Fails(ErrorCode::kUnsupported, "array 'format': is no text", With(Csr(), "format", Float({1})));
  Fails(kInvalid, "a.npz': array 'data': has the type '<f2'; expected numbers",
        With(Csr(), "data", Npy<uint16_t>("<f2", {1, 2, 3, 4})));
  Fails(kInvalid, "array 'data': has the type '<c8'", With(Csr(), "data", Npy<double>("<c8", {1, 2, 3, 4})));
  Fails(kInvalid, "array 'data': is big-endian ('>f4')", With(Csr(), "data", Npy<float>(">f4", {1, 2, 3, 4})));
  Fails(kInvalid, "array 'data': holds Python objects", With(Csr(), "data", Npy<double>("|O", {1, 2, 3, 4})));
  Fails(kInvalid, "array 'data': has 2 dimensions", With(Csr(), "data", Npy<float>("<f4", {1, 2, 3, 4}, {2, 2})));
  Fails(kInvalid, "array 'indices': has the type '<f4'; expected integers of 32 or 64 bits",
        With(Csr(), "indices", Float({1, 2, 0, 2})));
  Fails(kInvalid, "array 'indptr': has the type '|u1'", With(Csr(), "indptr", Npy<uint8_t>("|u1", {0, 2, 2, 3, 4})));
  Fails(kInvalid, "array 'shape': has 3 sizes; expected rows and columns", With(Csr(), "shape", Int64({4, 3, 2})));
  Fails(kInvalid, "array 'shape': has the size -3", With(Csr(), "shape", Int64({4, -3})));
  ExpectError(kInvalid, "cannot be read from standard input", [] { OpenRows("-", {.format = InputFormat::kNpz}); });
  std::string fortran = Csr()["data"];
  fortran.replace(fortran.find("False"), 5, "True ");
  EXPECT_EQ(ReadNpz(With(Csr(), "data", fortran)).rows.size(), 4u) << "one dimension has no order";
}

TEST(Npz, ArraysThatDisagree) {
  const auto corrupt = [](const std::string& part, const Members& members) {
    Fails(ErrorCode::kCorrupt, part, members);
  };
  for (const char* name : {"shape", "indptr", "indices", "data"}) {
    Members members = Csr();
    members.erase(name);
    corrupt("a.npz': array '" + std::string(name) + "': is not there", members);
  }
  corrupt("array 'indptr': has 4 values; expected one more than the 4 rows",
          With(Csr(), "indptr", Int32({0, 2, 3, 4})));
  corrupt("array 'indptr': begins with 1; expected 0", With(Csr(), "indptr", Int32({1, 2, 2, 3, 4})));
  corrupt("array 'indptr': falls from 2 to 1 at 2", With(Csr(), "indptr", Int32({0, 2, 1, 3, 4})));
  corrupt("array 'indptr': is 5 at 3; there are 4 entries", With(Csr(), "indptr", Int32({0, 2, 2, 5, 4})));
  corrupt("array 'indptr': ends with 3; there are 4 entries", With(Csr(), "indptr", Int32({0, 2, 2, 3, 3})));
  corrupt("array 'indptr': ends with", With(With(Csr(), "indptr", Int32({0})), "shape", Int64({0, 3})));
  corrupt("array 'indices': has 3 values; 'data' has 4", With(Csr(), "indices", Int32({1, 2, 0})));
  corrupt("array 'indices': is 3 at 3; the matrix has 3 columns", With(Csr(), "indices", Int32({1, 2, 0, 3})));
  corrupt("array 'indices': is -1 at 2; the matrix has 3 columns", With(Csr(), "indices", Int32({1, 2, -1, 2})));
  const Members coo = {{"format", Format("coo")},
                       {"shape", Int64({2, 3})},
                       {"row", Int32({0, 2})},
                       {"col", Int32({0, 1})},
                       {"data", Float({1, 2})}};
  corrupt("array 'row': is 2 at 1; the matrix has 2 rows", coo);
  corrupt("array 'col': has 1 values; 'data' has 2", With(coo, "col", Int32({0})));
}

TEST(Npz, ArraysThatAreOtherThanTheirHeaders) {
  for (const char* name : {"shape", "indptr", "indices", "data"}) {
    const std::string content = Csr()[name];
    const std::string where = "array '" + std::string(name) + "': ";
    for (const size_t bytes : {content.size() - 1, content.size() - 20, size_t{70}, size_t{9}, size_t{0}})
      Fails(ErrorCode::kCorrupt, where + "ends too early", With(Csr(), name, content.substr(0, bytes)));
    if (name != std::string("shape"))
      Fails(ErrorCode::kCorrupt, where + "is longer than its header states", With(Csr(), name, content + "x"));
    Fails(ErrorCode::kCorrupt, where + "not an array in NumPy's format 1.0", With(Csr(), name, std::string(100, 'x')));
  }
  // Sizes far beyond what is there cost neither memory nor time.
  const int64_t many = int64_t{1} << 60;
  Fails(ErrorCode::kCorrupt, "ends too early",
        With(With(Csr(), "data", NpyHeader("<f4", {many})), "indices", NpyHeader("<i4", {many})));
  Fails(ErrorCode::kCorrupt, "array 'indptr': ends too early",
        With(With(Csr(), "shape", Int64({many, 3})), "indptr", NpyHeader("<i8", {many + 1})));
}

TEST(Npz, ManyEntriesInBlocksOfAnySize) {
  std::mt19937 random(9);
  std::vector<int64_t> indptr = {0};
  std::vector<int32_t> indices;
  std::vector<float> data;
  std::vector<std::string> expected;
  for (int row = 0; row < 20000; ++row) {
    const unsigned n = row == 777 ? 5000 : random() % 5;
    for (unsigned i = 0; i < n; ++i) {
      indices.push_back(static_cast<int32_t>(random() % 1000));
      data.push_back(static_cast<float>(random() % 10));
      expected.push_back(std::to_string(expected.size() + 1) + ": " + std::to_string(row) + " " +
                         std::to_string(indices.back()) + " " + std::to_string(static_cast<int>(data.back())) + ".0");
    }
    indptr.push_back(static_cast<int64_t>(indices.size()));
  }
  const Members members = {{"format", Format("csr")},
                           {"shape", Int64({20000, 1000})},
                           {"indptr", Int64(indptr)},
                           {"indices", Int32(indices)},
                           {"data", Float(data)}};
  for (const size_t block_bytes : {16 * 31, 16 * 32, 16 * 2048, 16 * 2049, 4 << 20})
    EXPECT_EQ(ReadNpz(members, ZIP_CM_DEFLATE, block_bytes).rows, expected) << block_bytes;
}

TEST(Npz, ArchivesThatAreCutShortOrDamaged) {
  const TemporaryFolder folder;
  for (const int method : {ZIP_CM_STORE, ZIP_CM_DEFLATE}) {
    const std::string whole = Content(WriteNpz(folder, Csr(), method));
    const auto read = [&](const std::string& content) {
      return ReadSource(*OpenRows(folder.Write("b.npz", content), {.format = InputFormat::kNpz}));
    };
    for (size_t bytes = 0; bytes < whole.size(); bytes += 7)
      ExpectError(ErrorCode::kCorrupt, "b.npz' is no whole .npz file (" + std::to_string(bytes) + " bytes): ", [&] {
        read(whole.substr(0, bytes));
      });
    const std::vector<std::string> expected = read(whole).rows;
    int refused = 0;
    for (size_t at = 0; at < whole.size(); ++at) {  // each byte; some, such as times, do not matter
      std::string damaged = whole;
      damaged[at] = static_cast<char>(damaged[at] ^ 0x55);
      try {
        EXPECT_EQ(read(damaged).rows, expected) << at;
      } catch (const Error& error) {
        EXPECT_THAT(error.what(), HasSubstr("b.npz"));
        ++refused;
      }
    }
    EXPECT_GT(refused, static_cast<int>(whole.size() / 2));
  }
  ExpectError(ErrorCode::kNotFound, "none.npz", [] { OpenRows("none.npz", {.format = InputFormat::kNpz}); });
}

}  // namespace
}  // namespace kindred
