// Conditions that hold for nobody: those that are found, those that are not, and none that somebody meets.
#include "host/segments/contradictions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <random>

namespace kindred {
namespace {

const std::vector<ColumnInfo> kSchema = {
    {"views", ColumnType::kNumber},    {"views", ColumnType::kNumber, 7 * 86400}, {"views", ColumnType::kNumber, 86400},
    {"carts", ColumnType::kNumber},    {"recency", ColumnType::kNumber},          {"user.country", ColumnType::kText},
    {"user.birth", ColumnType::kTime}, {"user.vip", ColumnType::kBoolean},        {"user.tags", ColumnType::kTags}};
constexpr bool kCounts[] = {true, true, true, true, false, false, false, false, false};

std::string Found(const std::string& text) {
  return FindContradiction(text, kSchema, kCounts);
}

TEST(Contradictions, AreFoundWithTheComparisonsThatExcludeEachOther) {
  for (const auto& [text, found] : std::initializer_list<std::pair<const char*, const char*>>{
           {"views >= 3 in 7d and views = 0 in 7d", "'views >= 3 in 7d' and 'views = 0 in 7d' exclude each other"},
           {"views = 0 in 7d and recency < 3 and views >= 3 in 7d",
            "'views = 0 in 7d' and 'views >= 3 in 7d' exclude each other"},
           {"recency > 3 and 3 >= recency", "'recency > 3' and '3 >= recency' exclude each other"},
           {"recency > 3 and recency < 3", "'recency > 3' and 'recency < 3' exclude each other"},
           {"recency = 3 and recency != 3", "'recency = 3' and 'recency != 3' exclude each other"},
           {"recency in 1..2 and recency > 2", "'recency in 1..2' and 'recency > 2' exclude each other"},
           {"recency in [1, 2] and recency in [3, 4]",
            "'recency in [1, 2]' and 'recency in [3, 4]' exclude each other"},
           {"recency in 2..1", "'recency in 2..1' cannot hold"},
           {"views < 0", "'views < 0' cannot hold"},
           {"views <= -1", "'views <= -1' cannot hold"},
           {"recency < -2 and recency > -1", "'recency < -2' and 'recency > -1' exclude each other"},
           {"views = 0.5", "'views = 0.5' cannot hold"},
           {"views is missing", "'views is missing' cannot hold"},
           {"views > 1 and views < 2", "'views > 1' and 'views < 2' exclude each other"},
           {"not views > 1 and views > 1", "'not views > 1' and 'views > 1' exclude each other"},
           {"views >= 3 in 1d and views < 3 in 7d", "'views >= 3 in 1d' and 'views < 3 in 7d' exclude each other"},
           {"views = 0 and views > 0 in 7d", "'views = 0' and 'views > 0 in 7d' exclude each other"},
           {"recency is missing and recency > 3", "'recency is missing' and 'recency > 3' exclude each other"},
           {"user.country = 'DE' and user.country = 'FR'",
            "'user.country = \"DE\"' and 'user.country = \"FR\"' exclude each other"},
           {"user.country in ['DE', 'AT'] and user.country in ['FR']",
            "'user.country in [\"DE\", \"AT\"]' and 'user.country in [\"FR\"]' exclude each other"},
           {"user.birth > 2001-01-01 and user.birth < 2000-01-01",
            "'user.birth > 2001-01-01' and 'user.birth < 2000-01-01' exclude each other"},
           {"views > 5 and (views < 2 or views = 3)", "'views > 5' and 'views < 2' exclude each other"},
           {"views > 5 and not (views >= 2 and carts >= 0)", "'views > 5' and 'not views >= 2' exclude each other"},
       })
    EXPECT_EQ(Found(text), found) << text;
}

TEST(Contradictions, AreNotSeenWhereSomebodyMayMeetTheCondition) {
  for (const char* text :
       {"views >= 3 in 7d and views = 3", "views >= 3 and views = 0 in 7d", "views = 0 or views > 3",
        "recency >= 3 and recency <= 3", "not recency > 3 and not recency < 4",
        "recency is missing and not recency > 3", "views > 1 and views < 3", "carts = 0 and views > 0",
        "user.country = 'DE' and user.country != 'FR'", "user.vip and not user.vip = false",
        "views > carts and carts > views", "'a' in user.tags and 'b' in user.tags", "views + 1 > 3 and views + 1 < 2",
        "(views > 3 or carts > 3) and (views = 0 or carts = 0)", "recency in [1, 5] and recency > 4",
        "recency > -1e300"})
    EXPECT_EQ(Found(text), "") << text;
}

/// A condition over three counts, and whether it holds for their values.
class Conditions {
 public:
  explicit Conditions(uint64_t seed) : random_(seed) {}

  struct Made {
    std::string text;
    std::function<bool(int day, int week, int all)> holds;
  };
  Made Make(int depth) {
    if (depth > 0 && Below(4) > 0) {
      const Made a = Make(depth - 1), b = Make(depth - 1);
      const int kind = Below(5);
      if (kind == 0) return {"not (" + a.text + ")", [=](int d, int w, int n) { return !a.holds(d, w, n); }};
      if (kind == 1)
        return {"(" + a.text + ") or (" + b.text + ")",
                [=](int d, int w, int n) { return a.holds(d, w, n) || b.holds(d, w, n); }};
      return {"(" + a.text + ") and (" + b.text + ")",
              [=](int d, int w, int n) { return a.holds(d, w, n) && b.holds(d, w, n); }};
    }
    static const char* kSymbols[] = {"=", "!=", "<", "<=", ">", ">="};
    static const char* kWindows[] = {" in 1d", " in 7d", ""};
    const int symbol = Below(6), which = Below(3), limit = Below(4);
    return {std::string("views ") + kSymbols[symbol] + " " + std::to_string(limit) + kWindows[which],
            [=](int day, int week, int all) {
              const int n = which == 0 ? day : which == 1 ? week : all;
              const bool results[] = {n == limit, n != limit, n<limit, n <= limit, n> limit, n >= limit};
              return results[symbol];
            }};
  }

 private:
  int Below(int n) { return static_cast<int>(random_() % static_cast<uint64_t>(n)); }
  std::mt19937_64 random_;
};

TEST(Contradictions, NobodyMeetsWhatIsFound) {
  int n_found = 0, n_impossible = 0;
  for (uint64_t seed = 0; seed < 3000; ++seed) {
    const Conditions::Made made = Conditions(seed).Make(3);
    bool possible = false;
    for (int all = 0; all < 7; ++all)
      for (int week = 0; week <= all; ++week)
        for (int day = 0; day <= week; ++day) possible |= made.holds(day, week, all);
    const bool found = !Found(made.text).empty();
    EXPECT_FALSE(found && possible) << "seed " << seed << ": " << made.text << ": " << Found(made.text);
    n_found += found;
    n_impossible += !possible;
  }
  EXPECT_GT(n_found, n_impossible * 3 / 4) << n_impossible;
}

}  // namespace
}  // namespace kindred
