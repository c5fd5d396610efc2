#include "training/search_space.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/support/errors.h"
#include "training/train_flags.h"

namespace kindred {
namespace {

using testing::ElementsAre;

const SearchParameter& Of(const SearchSpace& space, const std::string& name) {
  for (const SearchParameter& parameter : space.parameters)
    if (parameter.name == name) return parameter;
  throw std::runtime_error("no parameter " + name);
}

SearchSpace Set(const std::vector<std::string>& settings, const std::string& algorithm = "als") {
  return SpaceOf(algorithm, settings);
}

TEST(SearchSpace, ValuesSpanTheRangeAndGoBackToTheirUnits) {
  for (const std::string& algorithm : TunableAlgorithms())
    for (const SearchParameter& parameter : SpaceOf(algorithm).parameters) {
      if (parameter.is_fixed()) continue;
      SCOPED_TRACE(algorithm + " " + parameter.name);
      double last = -INFINITY;
      for (int step = 0; step <= 64; ++step) {
        const double unit = step / 64.0, value = parameter.Value(unit);
        EXPECT_GE(value, last);
        EXPECT_GE(value, parameter.least);
        EXPECT_LE(value, parameter.most);
        const double width = parameter.scale == Scale::kChoice    ? 0.5 / static_cast<double>(parameter.choices.size())
                             : parameter.scale == Scale::kInteger ? 0.5 / (parameter.high - parameter.low + 1)
                                                                  : 1e-3;
        EXPECT_NEAR(parameter.Unit(value), unit, width + 1e-9);
        EXPECT_EQ(parameter.Value(parameter.Unit(value)), value) << unit;
        last = value;
      }
      const bool chooses = parameter.scale == Scale::kChoice;
      EXPECT_EQ(parameter.Value(0), chooses ? parameter.choices.front() : parameter.low);
      EXPECT_EQ(parameter.Value(1), chooses ? parameter.choices.back() : parameter.high);
    }
}

TEST(SearchSpace, WhatLiesOutsideIsAtTheEnd) {
  const SearchSpace space = SpaceOf("svd");
  EXPECT_EQ(Of(space, "svd-shrinkage").Unit(0), 0);
  EXPECT_EQ(Of(space, "svd-shrinkage").Unit(1e9), 1);
  EXPECT_EQ(Of(space, "n-factors").Value(Of(space, "n-factors").Unit(4096)), 512);
}

TEST(SearchSpace, WholeNumbers) {
  const SearchParameter parameter = {"n", Scale::kInteger, 3, 6};
  EXPECT_EQ(parameter.Value(0), 3);
  EXPECT_EQ(parameter.Value(0.26), 4);
  EXPECT_EQ(parameter.Value(1), 6);
  for (const double value : {3.0, 4.0, 5.0, 6.0}) EXPECT_EQ(parameter.Value(parameter.Unit(value)), value);
}

/// What train makes of these flags.
TrainOptions Trained(std::vector<std::string> arguments) {
  CLI::App app;
  TrainFlags flags;
  AddTrainFlags(app, flags);
  for (CLI::Option* option : app.get_options([](const CLI::Option*) { return true; })) option->required(false);
  std::reverse(arguments.begin(), arguments.end());
  app.parse(std::move(arguments));
  return Resolve(flags);
}

TEST(SearchSpace, IsOfFlagsThatTrainTakesAndSetsWhatTheySet) {
  for (const std::string& algorithm : TunableAlgorithms())
    for (const SearchParameter& parameter : SpaceOf(algorithm).parameters)
      for (const double unit : {0.0, 0.3, 1.0}) {
        const double value = parameter.Value(unit);
        const std::string argument = "--" + parameter.name + "=" + NumberJson(value).dump();
        EXPECT_EQ(parameter.get(Trained({"--algorithm", algorithm, argument})), value) << argument;
        TrainOptions options;
        parameter.set(options, value);
        EXPECT_EQ(parameter.get(options), value) << argument;
      }
}

TEST(SearchSpace, DefaultsAreTrains) {
  for (const std::string& algorithm : TunableAlgorithms()) {
    const SearchSpace space = SpaceOf(algorithm);
    const TrainOptions trained = Trained({"--algorithm", algorithm});
    const SearchPoint defaults = space.Defaults();
    for (size_t p = 0; p < defaults.size(); ++p)
      EXPECT_EQ(space.parameters[p].get(trained), defaults[p]) << algorithm << " " << space.parameters[p].name;
  }
  const SearchSpace als = SpaceOf("als");
  EXPECT_EQ(
      als.Json(als.Defaults()),
      (nlohmann::json{
          {"n-factors", 64}, {"regularization", 0.01}, {"regularization-exponent", 1}, {"unobserved-weight", 0.1}}));
  EXPECT_EQ(SpaceOf("svd").Json(SpaceOf("svd").Defaults()), (nlohmann::json{{"n-factors", 64}, {"svd-shrinkage", 0}}));
  const TrainOptions options = als.Options({}, als.Defaults());
  EXPECT_EQ(options.als.objective.regularization, AlsObjective().regularization);
  EXPECT_EQ(options.als.objective.unobserved_weight, AlsObjective().unobserved_weight);
}

TEST(SearchSpace, SettingsFixBoundAndChoose) {
  const SearchSpace space = Set({"n-factors=48,16,48", "regularization=0.002..0.004", "unobserved-weight=0"});
  EXPECT_THAT(Of(space, "n-factors").choices, ElementsAre(16, 48));
  EXPECT_EQ(Of(space, "regularization").Value(0), 0.002);
  EXPECT_EQ(Of(space, "regularization").Value(1), 0.004);
  EXPECT_EQ(space.n_free(), 2);
  EXPECT_EQ(Set({"regularization-exponent=0.5..1"}).n_free(), 4) << "fixed unless it is asked for";
  EXPECT_EQ(space.At(std::vector<double>{0.9, 0.5, 0.5, 0.5})[3], 0);
  EXPECT_THAT(space.Defaults(), ElementsAre(48, 0.004, 1, 0)) << "the nearest that may be";
  EXPECT_THAT(Of(Set({"n-factors=100..200"}), "n-factors").choices, ElementsAre(128, 192));
}

TEST(SearchSpace, WhatDoesNotDoIsRefused) {
  const auto refused = [](const std::string& part, const std::vector<std::string>& settings,
                          const std::string& algorithm = "als") {
    ExpectError(ErrorCode::kUsage, part, [&] { SpaceOf(algorithm, settings); });
  };
  refused("'popularity' has no parameters to search; expected als or svd", {}, "popularity");
  refused("'' has no parameters", {}, "");
  refused("expected one of n-factors, regularization", {"epochs=3"});
  refused("expected one of n-factors, svd-shrinkage, as NAME=VALUE", {"regularization=3"}, "svd");
  refused("it is named twice", {"n-factors=3", "n-factors=4"});
  refused("'' is no number", {"n-factors"});
  refused("'' is no number", {"n-factors=3,"});
  refused("'x' is no number", {"regularization=x"});
  refused("'3.5' is not whole", {"n-factors=3.5"});
  refused("expected numbers from 1 to 4096", {"n-factors=0"});
  refused("expected numbers from 0 to 1e+30", {"regularization=-1..2"});
  refused("expected numbers above 0", {"regularization=0..2"});
  refused("the smaller number first", {"regularization=2..1"});
  refused("none of the numbers", {"n-factors=300..400"});
  refused("fixes every parameter of svd", {"n-factors=8", "svd-shrinkage=1"}, "svd");
}

}  // namespace
}  // namespace kindred
