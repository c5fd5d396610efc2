#include "host/text/edit_distance.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace kindred {
namespace {

TEST(EditDistance, InsertionsDeletionsChanges) {
  EXPECT_EQ(EditDistance("", ""), 0);
  EXPECT_EQ(EditDistance("", "abc"), 3);
  EXPECT_EQ(EditDistance("abc", ""), 3);
  EXPECT_EQ(EditDistance("price", "prise"), 1);
  EXPECT_EQ(EditDistance("kitten", "sitting"), 3);
  EXPECT_EQ(EditDistance("ab", "ba"), 2);
}

TEST(EditDistance, NearestNameIsTheFirstOfTheNearest) {
  const std::vector<std::string_view> known = {"category", "price", "prize", "stock"};
  EXPECT_EQ(NearestName("prise", known), 1);
  EXPECT_EQ(NearestName("stok", known), 3);
  EXPECT_EQ(NearestName("x", {}), -1);
  EXPECT_EQ(NearestName(std::string(101, 'x'), known), -1);
}

}  // namespace
}  // namespace kindred
