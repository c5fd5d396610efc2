// Exports that cannot be used as they are: each is answered with the place, what was found and what was expected, and
// nothing is written.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "host/data/dataset.h"
#include "host/intake/prepare.h"
#include "tests/support/temporary_folder.h"

namespace kindred {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

class BadExports : public testing::Test {
 protected:
  BadExports() { options_.out = folder_.path() / "out" / "dataset"; }

  void Input(const std::string& name, std::string_view text) { options_.inputs.push_back(folder_.Write(name, text)); }

  /// What Prepare says; nothing may be written.
  std::string Fail() {
    for (const int n_threads : {1, 3}) {
      options_.reader.n_threads = n_threads;
      try {
        Prepare(options_);
        ADD_FAILURE() << "no error on " << n_threads << " threads";
      } catch (const Error& error) {
        if (n_threads == 1)
          message_ = error.what();
        else
          EXPECT_EQ(error.what(), message_);
      }
    }
    EXPECT_FALSE(fs::exists(folder_.path() / "out"));
    return message_;
  }

  TemporaryFolder folder_;
  PrepareOptions options_;
  std::string message_;
};

TEST_F(BadExports, TwoFormsOfTimesInOneColumn) {
  Input("a.csv", "user,item,time\nu,i,1511539200\nu,i,1511539201\nu,i,2017-11-24\n");
  EXPECT_THAT(Fail(), AllOf(HasSubstr("a.csv: line 4: time '2017-11-24' in column 'time' is written otherwise than "
                                      "'1511539200' in line 2 of "),
                            HasSubstr("state it with --time-format")));

  // Across blocks and files too, whatever is read first.
  options_.inputs.clear();
  std::string text = "user,item,time\n";
  for (int i = 0; i < 200; ++i) text += "u,i,2017-11-24\n";
  Input("b.csv", text);
  Input("c.csv", "user,item,time\nu,i,5\n");
  options_.reader.read.block_bytes = 100;
  EXPECT_THAT(Fail(),
              AllOf(HasSubstr("c.csv: line 2: time '5'"), HasSubstr("'2017-11-24' in line 2 of "), HasSubstr("b.csv")));

  // With the form stated, rows of another are bad rows and can be set aside.
  options_.reader.time = TimeFormat("iso8601");
  EXPECT_THAT(Fail(), HasSubstr("c.csv: line 2: time '5' in column 'time': "));
  options_.max_bad_rows = 1;
  EXPECT_EQ(Prepare(options_)["n_events"], 200);
}

TEST_F(BadExports, DaysAndMonthsNobodyCanTellApart) {
  Input("a.csv", "user,item,time\nu,i,01/02/2011 10:30\n");
  EXPECT_THAT(Fail(), HasSubstr("line 2: time '01/02/2011 10:30' in column 'time': "));
  options_.reader.time = TimeFormat("%d/%m/%Y %H:%M");
  EXPECT_EQ(Prepare(options_)["time_range"], nlohmann::json({1296556200, 1296556200}));
}

TEST_F(BadExports, TimesOutOfRange) {
  for (const char* time : {"99999999999999999999", "1511539200000", "10000-01-01", "2017-02-30", "2017-11-24T25:00"}) {
    options_.inputs.clear();
    Input("a.csv", "user,item,time\nu,i," + std::string(time) + "\n");
    EXPECT_THAT(Fail(), HasSubstr(std::string("line 2: time '") + time + "' in column 'time': "));
  }
}

TEST_F(BadExports, ThousandsSeparatorsAndDecimalCommas) {
  Input("a.csv", "user,item,value\nu,i,\"1,234.50\"\n");
  EXPECT_THAT(Fail(), HasSubstr("line 2: value '1,234.50' in column 'value': expected a number; thousands separators"));
  options_.inputs.clear();
  Input("b.csv", "user;item;value\nu;i;2,5\n");
  options_.reader.read.delimiter = ';';
  EXPECT_THAT(Fail(), HasSubstr("value '2,5' in column 'value': expected a number"));
  options_.reader.number.decimal = ',';
  Prepare(options_);
  EXPECT_EQ(Dataset::Open(options_.out)->events().values[0], 2.5f);
}

TEST_F(BadExports, ALineOf100MegabytesIsOneBadRow) {
  Input("a.csv", "user,item\nu1,i1\nu2," + std::string(100'000'000, 'x') + "\nu3,i3\n");
  EXPECT_THAT(Fail(), HasSubstr("a.csv: line 3: the line has more than 67108864 bytes"));
  options_.max_bad_rows = 1;
  const nlohmann::json report = Prepare(options_);
  EXPECT_EQ(report["n_events"], 2);
  EXPECT_LT(fs::file_size(report["bad_rows_file"].get<std::string>()), 2000u);
}

TEST_F(BadExports, IdsOfTenKilobytesAreIds) {
  const std::string user(10'000, 'u'), item(10'000, 'i');
  Input("a.csv", "user,item\n" + user + "," + item + "1\n" + user + "," + item + "2\n");
  Prepare(options_);
  const auto dataset = Dataset::Open(options_.out);
  EXPECT_EQ(dataset->users().Id(0), user);
  EXPECT_EQ(dataset->items().Find(item + "2"), 1);
}

TEST_F(BadExports, IdsThatAreNoIntegers) {
  Input("a.csv", "user,item\n17850.0,85123A\n17850.5,x\n");
  options_.reader.id_format = IdFormat::kInteger;
  EXPECT_THAT(Fail(), HasSubstr("line 3: user '17850.5' in column 'user': expected an integer"));
  options_.max_bad_rows = 1;
  Prepare(options_);
  EXPECT_EQ(Dataset::Open(options_.out)->users().Id(0), "17850");
}

TEST_F(BadExports, FiltersThatCannotBeUsed) {
  Input("a.csv", "user,item,Quantity\nu,i,1\nu,i,many\nu,i,\nu,i,-1\n");
  options_.reader.where = "Quantitty > 0";
  EXPECT_THAT(Fail(), AllOf(HasSubstr("Quantitty"), HasSubstr("'Quantity'")));
  options_.reader.where = "Quantity >";
  EXPECT_THAT(Fail(), HasSubstr("column 11"));
  options_.reader.where = "Quantity + 1";
  Fail();
  options_.reader.where = "Quantity > 0";
  EXPECT_THAT(Fail(), AllOf(HasSubstr("a.csv: line 3: --where: "), HasSubstr("'many'")));
  options_.max_bad_rows = 1;
  const nlohmann::json report = Prepare(options_);
  EXPECT_EQ(report["n_events"], 1);
  EXPECT_EQ(report["n_filtered"], 2) << "a comparison with a missing value is false";
  EXPECT_EQ(report["n_bad_rows"], 1);
}

TEST_F(BadExports, AFilterThatLeavesNothing) {
  Input("a.csv", "user,item,n\nu,i,1\n");
  options_.reader.where = "n > 1";
  EXPECT_THAT(Fail(), HasSubstr("1 rows, 0 of them bad, 1 left out by --where"));
}

}  // namespace
}  // namespace kindred
