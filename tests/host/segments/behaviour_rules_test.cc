// Rules and stages: who is in them and why; users alone and together; what is refused.
#include "host/segments/behaviour_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <random>

#include "host/segments/behaviour_json.h"
#include "kernels/error.h"

namespace kindred {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr int64_t kDay = 86400, kNow = 1'700'000'000;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
const std::vector<std::string> kTypes = {"view", "cart", "add_to_cart", "buy"};
const EventNames kNames = {{"views", {"view"}}, {"carts", {"cart", "add_to_cart"}}, {"purchases", {"buy"}}};

struct Done {
  int64_t days_ago;  // negative: behind the reference
  uint8_t type;
};

/// Events of users, each oldest first.
EventArrays EventsOf(const std::vector<std::vector<Done>>& users) {
  EventArrays events;
  events.type_names = kTypes;
  for (const std::vector<Done>& user : users) {
    for (const Done& done : user) {
      events.items.push_back(0);
      events.times.push_back(kNow - done.days_ago * kDay);
      events.types.push_back(done.type);
    }
    events.indptr.push_back(std::ssize(events.items));
  }
  return events;
}

std::vector<int> MembersOf(const UserBits& bits, int64_t n) {
  std::vector<int> members;
  for (int64_t user = 0; user < n; ++user)
    if (bits.Has(user)) members.push_back(static_cast<int>(user));
  EXPECT_EQ(bits.n_members, std::ssize(members));
  return members;
}

/// The refusal of a rule.
std::string Refusal(const std::string& when, RuleVocabulary vocabulary) {
  try {
    const RuleSpec rule = {"R", when, "segments.toml: line 3, column 1: "};
    BehaviourRules({&rule, 1}, {}, vocabulary);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
    return error.what();
  }
  return "compiles";
}

// As it is where events have no values, and nothing was declared.
TEST(BehaviourRules, AFeatureMayBeCalledEvents) {
  const EventArrays events = EventsOf({{{9, 0}, {1, 0}}, {{9, 3}, {8, 3}}});
  const std::vector<RuleSpec> rules = {{"feature", "events >= 5"}, {"counted", "events >= 1 in 7d"}};
  const std::vector<std::string> names = {"events"};
  const BehaviourRules compiled(rules, {}, {.events = kNames, .event_types = kTypes, .features = names});
  const std::vector<double> features = {1, 5};
  const RuleMembers members = compiled.Evaluate(
      {.n_users = 2, .events = events.view(), .reference = kNow, .features = features, .first_row = 0}, nullptr);
  EXPECT_THAT(MembersOf(members.rules[0], 2), ElementsAre(1));
  EXPECT_THAT(MembersOf(members.rules[1], 2), ElementsAre(0));
}

TEST(BehaviourRules, CartAbandonersAndStages) {
  const EventArrays events =
      EventsOf({{{5, 0}, {4, 0}, {3, 0}, {2, 1}},           // abandons
                {{9, 3}, {5, 0}, {4, 0}, {3, 0}, {2, 2}},   // bought before, in no window of 7 days
                {{5, 0}, {4, 0}, {3, 0}, {2, 1}, {1, 3}},   // buys
                {{7, 0}, {4, 0}, {3, 0}, {2, 1}},           // the first view is 7 days old
                {{3, 0}, {2, 0}, {0, 0}, {0, 1}, {-1, 3}},  // buys behind the reference
                {}});
  const std::vector<RuleSpec> rules = {
      {"Cart Abandoners", "views >= 3 in 7d and carts >= 1 in 7d and purchases = 0 in 7d"},
      {"Everybody", "views >= 0"}};
  const std::vector<RuleSpec> stages = {{"awareness", "views >= 1"},
                                        {"consideration", "carts >= 1"},
                                        {"purchase", "purchases >= 1"},
                                        {"loyalty", "purchases >= 2"}};
  const BehaviourRules compiled(rules, stages, {.events = kNames, .event_types = kTypes});
  EXPECT_EQ(compiled.longest_window(), 7 * kDay);
  const RuleInputs inputs = {.n_users = 7, .events = events.view(), .reference = kNow};
  const RuleMembers members = compiled.Evaluate(inputs, nullptr);
  EXPECT_THAT(MembersOf(members.rules[0], 7), ElementsAre(0, 1, 4));
  EXPECT_THAT(MembersOf(members.rules[1], 7), ElementsAre(0, 1, 2, 3, 4, 5, 6));
  EXPECT_THAT(members.stages, ElementsAre(1, 2, 2, 1, 1, -1, -1));
  EXPECT_THAT(compiled.Reasons(0, inputs, 1),
              ElementsAre("views in 7d = 3 >= 3", "carts in 7d = 1 >= 1", "purchases in 7d = 0"));
  EXPECT_THAT(compiled.Reasons(0, inputs, 2), IsEmpty());
  EXPECT_THAT(compiled.Reasons(4, inputs, 1), ElementsAre("purchases = 1 >= 1"));
  EXPECT_EQ(compiled.When(0), "views >= 3 in 7d and carts >= 1 in 7d and purchases = 0 in 7d");
}

struct People {
  std::vector<double> ages = {30, kNan};
  std::vector<uint8_t> vips = {kMissingBoolean, 1};
  std::vector<int64_t> births = {0, kMissingInteger};
  std::vector<int32_t> countries = {1, kMissingCode};
  std::vector<int64_t> tag_starts = {0, 2, 2};
  std::vector<int32_t> tags = {0, 1};
  std::string letters = "FRDE";
  std::vector<int64_t> starts = {0, 2, 4};

  AttributeTable Table() const {
    const TextsView codes = {{reinterpret_cast<const uint8_t*>(letters.data()), letters.size()}, starts};
    return AttributeTable(
        2,
        {{.name = "age", .type = AttributeType::kNumber, .source = {}, .numbers = ages},
         {.name = "vip", .type = AttributeType::kBoolean, .source = {}, .booleans = vips},
         {.name = "birth", .type = AttributeType::kTime, .source = {}, .times = births},
         {.name = "country", .type = AttributeType::kCategory, .source = {}, .codes = countries, .dictionary = codes},
         {.name = "tags",
          .type = AttributeType::kTags,
          .source = {},
          .codes = tags,
          .indptr = tag_starts,
          .dictionary = codes},
         {.name = "note", .type = AttributeType::kText, .source = {}, .texts = codes}});
  }
};

TEST(BehaviourRules, ReadsFeaturesThresholdsLikelihoodAndAttributesAndSaysWhy) {
  const People people;
  const AttributeTable table = people.Table();
  const std::vector<std::string> features = {"recency", "monetary"}, thresholds = {"low", "big"};
  const std::vector<double> values = {12.345, 700, kNan, 100}, limits = {1, 500}, likelihood = {0.625, kNan};
  const EventArrays events = EventsOf({{{3, 0}}, {}});
  struct Case {
    const char* when;
    std::vector<std::string> first, second;  // the users' reasons; none: it does not hold
  };
  const std::vector<Case> cases = {
      {"monetary >= threshold.big", {"monetary = 700 >= threshold.big = 500"}, {}},
      {"not monetary >= threshold.big", {}, {"monetary = 100 < threshold.big = 500"}},
      {"threshold.low < monetary", {"threshold.low = 1 < monetary = 700"}, {"threshold.low = 1 < monetary = 100"}},
      {"recency < 30", {"recency = 12.35 < 30"}, {}},
      {"not recency < 3", {"recency = 12.35 >= 3"}, {"recency is missing"}},
      {"not recency > 30", {"recency = 12.35 <= 30"}, {"recency is missing"}},
      {"recency is missing", {}, {"recency is missing"}},
      {"likelihood > 0.5", {"likelihood = 0.625 > 0.5"}, {}},
      {"recency between 10 and 20", {"recency = 12.35 in 10..20"}, {}},
      {"recency not in 20..30", {"recency = 12.35 not in 20..30"}, {"recency is missing"}},
      {"user.country = \"DE\"", {"user.country = \"DE\""}, {}},
      {"user.country != \"FR\"", {"user.country = \"DE\" != \"FR\""}, {}},
      {"not user.country = \"FR\"", {"user.country = \"DE\" != \"FR\""}, {"user.country is missing"}},
      {"user.country in [\"DE\", \"AT\"]", {"user.country in [\"DE\", \"AT\"] (user.country = \"DE\")"}, {}},
      {"user.country not in [\"AT\"]",
       {"user.country not in [\"AT\"] (user.country = \"DE\")"},
       {"user.country not in [\"AT\"] (user.country = missing)"}},
      {"\"FR\" in user.tags", {"\"FR\" in user.tags"}, {}},
      {"user.vip", {}, {"user.vip"}},
      {"not user.vip", {"not user.vip"}, {}},
      {"not user.vip = true", {"user.vip is missing"}, {}},
      {"starts_with(user.note, \"F\")", {"starts_with(user.note, \"F\") (user.note = \"FR\")"}, {}},
      {"user.birth < 1970-01-02", {"user.birth = 1970-01-01 < 1970-01-02"}, {}},
      {"now() - user.birth > 1d", {"now() - user.birth = 1700000000s > 1d"}, {}},
      {"views = carts + 1", {"views = carts + 1 = 1"}, {}},
      {"views = 1 in 1w or monetary = 100", {"views in 7d = 1"}, {"monetary = 100"}},
      {"not (views = 0 or monetary < 100)", {"views = 1 != 0", "monetary = 700 >= 100"}, {}},
      {"not (views = 0 and monetary > 600)", {"views = 1 != 0"}, {"monetary = 100 <= 600"}},
      {"events >= 1", {"events = 1 >= 1"}, {}},
      {"user.age + 0.5 > 30 and (user.age > 99 or view >= 1)", {"user.age + 0.5 = 30.5 > 30", "view = 1 >= 1"}, {}},
  };
  std::vector<RuleSpec> rules;
  for (const Case& a_case : cases) rules.push_back({a_case.when, a_case.when});
  const BehaviourRules compiled(rules, {},
                                {.events = kNames,
                                 .event_types = kTypes,
                                 .features = features,
                                 .thresholds = thresholds,
                                 .has_likelihood = true,
                                 .users = &table});
  EXPECT_TRUE(compiled.uses_likelihood());
  const RuleInputs inputs = {.n_users = 2,
                             .events = events.view(),
                             .reference = kNow,
                             .features = values,
                             .thresholds = limits,
                             .likelihood = likelihood};
  const RuleMembers members = compiled.Evaluate(inputs, nullptr);
  for (size_t i = 0; i < cases.size(); ++i) {
    const auto k = static_cast<int64_t>(i);
    EXPECT_EQ(compiled.Reasons(k, inputs, 0), cases[i].first) << cases[i].when;
    EXPECT_EQ(compiled.Reasons(k, inputs, 1), cases[i].second) << cases[i].when;
    EXPECT_EQ(members.rules[i].Has(0), !cases[i].first.empty()) << cases[i].when;
    EXPECT_EQ(members.rules[i].Has(1), !cases[i].second.empty()) << cases[i].when;
  }
  // Of whom nothing is known but what they did, every attribute is missing.
  RuleInputs unknown = {.n_users = 1, .events = {}, .reference = kNow, .features = {}, .first_row = -1};
  const std::vector<double> none = {kNan, kNan};
  unknown.features = none;
  unknown.thresholds = limits;
  const RuleMembers stranger = compiled.Evaluate(unknown, nullptr);
  for (size_t i = 0; i < cases.size(); ++i) {
    EXPECT_EQ(stranger.rules[i].Has(0), !compiled.Reasons(static_cast<int64_t>(i), unknown, 0).empty())
        << cases[i].when;
    const bool no_attribute = std::string_view(cases[i].when).starts_with("user.");
    const bool denies = std::string_view(cases[i].when).find("not") != std::string_view::npos;
    EXPECT_FALSE(no_attribute && !denies && stranger.rules[i].Has(0)) << cases[i].when;
  }
}

/// A condition of counts as text, and as it is evaluated by hand.
struct Random {
  explicit Random(uint64_t seed) : bits(seed) {}
  int Below(int n) { return static_cast<int>(bits() % static_cast<uint64_t>(n)); }
  std::mt19937_64 bits;
};

struct Plain {
  std::string text;
  std::function<bool(std::span<const Done>)> holds;
};

Plain Condition(Random& random, int depth) {
  if (depth > 0 && random.Below(3) > 0) {
    const Plain a = Condition(random, depth - 1), b = Condition(random, depth - 1);
    switch (random.Below(3)) {
      case 0:
        return {"(" + a.text + ") and (" + b.text + ")", [=](auto done) { return a.holds(done) && b.holds(done); }};
      case 1:
        return {"(" + a.text + ") or (" + b.text + ")", [=](auto done) { return a.holds(done) || b.holds(done); }};
      default:
        return {"not (" + a.text + ")", [=](auto done) { return !a.holds(done); }};
    }
  }
  static const std::vector<std::pair<std::string, std::vector<int>>> kSets = {
      {"views", {0}}, {"carts", {1, 2}}, {"buy", {3}}, {"events", {0, 1, 2, 3}}};
  static const std::vector<std::string> kSymbols = {"=", "!=", "<", "<=", ">", ">="};
  const auto& [name, types] = kSets[static_cast<size_t>(random.Below(4))];
  const int symbol = random.Below(6), limit = random.Below(4), days = random.Below(3) * 5;
  const std::string window = days == 0 ? "" : " in " + std::to_string(days) + "d";
  const std::vector<int> counted = types;
  return {name + " " + kSymbols[static_cast<size_t>(symbol)] + " " + std::to_string(limit) + window,
          [=](std::span<const Done> all) {
            int n = 0;
            for (const Done& done : all)
              n += std::count(counted.begin(), counted.end(), done.type) > 0 && done.days_ago >= 0 &&
                   (days == 0 || done.days_ago < days);
            const bool results[] = {n == limit, n != limit, n<limit, n <= limit, n> limit, n >= limit};
            return results[symbol];
          }};
}

TEST(BehaviourRules, AgreesWithCountingByHandTogetherAndAlone) {
  ThreadPool pool(3);
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    const int64_t n_users = std::vector<int64_t>{0, 1, 63, 64, 65, 8191, 8192, 20000}[seed - 1];
    std::vector<std::vector<Done>> users(static_cast<size_t>(n_users));
    for (std::vector<Done>& user : users) {
      for (int i = random.Below(6); i > 0; --i)
        user.push_back({random.Below(14) - 2, static_cast<uint8_t>(random.Below(4))});
      std::stable_sort(user.begin(), user.end(), [](const Done& a, const Done& b) { return a.days_ago > b.days_ago; });
    }
    const EventArrays events = EventsOf(users);
    std::vector<Plain> plain;
    std::vector<RuleSpec> rules, stages;
    for (int i = 0; i < 8; ++i) {
      plain.push_back(Condition(random, 3));
      rules.push_back({std::to_string(i), plain.back().text});
      if (i < 4) stages.push_back(rules.back());
    }
    const BehaviourRules compiled(rules, stages, {.events = kNames, .event_types = kTypes});
    const RuleInputs inputs = {.n_users = n_users, .events = events.view(), .reference = kNow};
    const RuleMembers members = compiled.Evaluate(inputs, &pool), again = compiled.Evaluate(inputs, nullptr);
    EXPECT_EQ(members.stages, again.stages);
    for (int64_t user = 0; user < n_users; ++user) {
      const std::vector<Done>& done = users[static_cast<size_t>(user)];
      int32_t stage = -1;
      for (size_t i = 0; i < plain.size(); ++i) {
        const bool holds = plain[i].holds(done);
        ASSERT_EQ(members.rules[i].Has(user), holds) << plain[i].text << ", user " << user;
        if (holds && i < 4) stage = static_cast<int32_t>(i);
      }
      ASSERT_EQ(members.stages[static_cast<size_t>(user)], stage) << "user " << user;
      if (user % 97 != 0) continue;
      const EventArrays own = EventsOf({done});
      const RuleInputs one = {.n_users = 1, .events = own.view(), .reference = kNow};
      const RuleMembers alone = compiled.Evaluate(one, nullptr);
      for (size_t i = 0; i < plain.size(); ++i) {
        EXPECT_EQ(alone.rules[i].Has(0), members.rules[i].Has(user)) << plain[i].text;
        EXPECT_EQ(compiled.Reasons(static_cast<int64_t>(i), inputs, user),
                  compiled.Reasons(static_cast<int64_t>(i), one, 0));
        EXPECT_EQ(compiled.Reasons(static_cast<int64_t>(i), one, 0).empty(), !alone.rules[i].Has(0)) << plain[i].text;
      }
      EXPECT_EQ(alone.stages[0], stage);
    }
    for (size_t i = 0; i < plain.size(); ++i) EXPECT_EQ(members.rules[i].words, again.rules[i].words);
    for (const std::string& warning : compiled.Warnings(std::nullopt, kNow))  // what is said to hold for nobody does
      for (size_t i = 0; i < plain.size(); ++i)
        EXPECT_TRUE(!warning.starts_with("rule '" + std::to_string(i) + "' ") || members.rules[i].n_members == 0)
            << warning;
  }
}

TEST(BehaviourRules, EventsWithoutTypesOrTimes) {
  const std::vector<int64_t> indptr = {0, 2, 2};
  const std::vector<int32_t> items = {0, 1};
  const std::vector<RuleSpec> rules = {{"twice", "events = 2"}};
  const BehaviourRules compiled(rules, {}, {.has_times = false});
  const RuleMembers members =
      compiled.Evaluate({.n_users = 2, .events = {.indptr = indptr, .items = items}, .reference = kNow}, nullptr);
  EXPECT_THAT(MembersOf(members.rules[0], 2), ElementsAre(0));
  EXPECT_THAT(Refusal("buy >= 1 in 7d", {}),
              HasSubstr("unknown event 'buy'; the nearest is 'events'; the events have no types"));
  EXPECT_THAT(Refusal("user.country = 'DE'", {}), testing::Not(HasSubstr("types")));
  EXPECT_THAT(Refusal("events = 2 in 7d", {.has_times = false}),
              HasSubstr("line 1, column 1: the events have no times, so that there are no windows"));
}

TEST(BehaviourRules, Refusals) {
  const std::vector<std::string> features = {"recency", "carts", "events"}, thresholds = {"big"};
  const EventNames names = {{"carts", {"cart"}}, {"views", {"view"}}, {"searches", {"serach"}}};
  const RuleVocabulary vocabulary = {
      .events = names, .event_types = kTypes, .features = features, .thresholds = thresholds};
  for (const auto& [when, message] : std::initializer_list<std::pair<const char*, const char*>>{
           {"veiws >= 3 in 7d", "line 1, column 1: unknown event 'veiws'; the nearest is 'views'"},
           {"veiws >= 3", "line 1, column 1: unknown name 'veiws'; the nearest is 'views'"},
           {"recency < 30 and views >= 1 or bye >= 1 in 1d",
            "line 1, column 32: unknown event 'bye'; the nearest is 'buy'"},
           {"searches >= 1",
            "column 1: no events are of type 'serach', which 'searches' names; the nearest known name is"},
           {"carts >= 1",
            "column 1: 'carts' is the name of more than one thing (a feature, events, a threshold, an attribute)"},
           {"carts >= 1 in 7d", "compiles"},
           {"recency >= 1 in 7d", "column 1: 'recency' is not counted in windows; expected a name of events"},
           {"recency > threshold.bigg", "column 11: unknown name 'threshold.bigg'; the nearest is 'threshold.big'"},
           {"likelihood > 0.5",
            "column 1: 'likelihood' is not known; it is learned where there is a table [likelihood]"},
           {"user.country = 'DE'", "column 1: unknown name 'user.country'"},
           {"recency", "column 1: found a number; expected a boolean, as a condition is one"},
           {"views >= ", "the expression ends; expected a value"},
       }) {
    const std::string refusal = Refusal(when, vocabulary);
    EXPECT_TRUE(refusal == "compiles" || refusal.starts_with("segments.toml: line 3, column 1: rule 'R': ")) << refusal;
    EXPECT_THAT(refusal, HasSubstr(message)) << when;
  }
  const auto refusal = [&](std::vector<RuleSpec> rules, std::vector<RuleSpec> stages) -> std::string {
    try {
      BehaviourRules(rules, stages, vocabulary);
    } catch (const Error& error) {
      return error.what();
    }
    return "compiles";
  };
  EXPECT_EQ(refusal({{"A", "views > 1"}, {"B", "views > 2"}, {"A", "views > 3", "f: line 9, column 1: "}}, {}),
            "f: line 9, column 1: rule 'A': is there twice; expected different names");
  EXPECT_EQ(refusal({}, {{"A", "views > 1"}, {"A", "views > 2"}}),
            "stage 'A': is there twice; expected different names");
  EXPECT_EQ(refusal({{"A", "views > 1"}}, {{"A", "views > 2"}}), "compiles");
  EXPECT_THAT(refusal({{"", "views > 1"}}, {}),
              HasSubstr("a rule is called ''; expected a name of UTF-8, of 1 to 200 bytes"));
  EXPECT_THAT(refusal({{"\xff", "views > 1"}}, {}), HasSubstr("a rule is called '\\xff'"));
}

TEST(BehaviourRules, WarnsOfWhatHoldsForNobodyAndOfWindowsLongerThanTheData) {
  const std::vector<RuleSpec> rules = {{"Nobody", "views >= 3 in 7d and views = 0 in 7d"},
                                       {"Some", "views >= 3 in 90d"}};
  const std::vector<RuleSpec> stages = {{"never", "views < 0"}};
  const BehaviourRules compiled(rules, stages, {.events = kNames, .event_types = kTypes});
  EXPECT_THAT(compiled.Warnings(kNow - 90 * kDay, kNow),
              ElementsAre("rule 'Nobody' holds for nobody: 'views >= 3 in 7d' and 'views = 0 in 7d' exclude each other",
                          "stage 'never' holds for nobody: 'views < 0' cannot hold"));
  EXPECT_THAT(
      compiled.Warnings(kNow - 30 * kDay, kNow),
      testing::Contains("a window of the rules is 90d long, and the data begin only 30 days before the reference"));
}

TEST(BehaviourRules, AVersionKeepsThem) {
  const std::vector<std::string> features = {"monetary"}, names = {"low", "big"};
  const std::vector<RuleSpec> rules = {{"Whales", "monetary>threshold.big"}, {"Viewers", "views>=1"}};
  const std::vector<RuleSpec> stages = {{"a", "views >= 1"}, {"b", "views >= 9"}};
  const BehaviourRules compiled(rules, stages,
                                {.events = kNames, .event_types = kTypes, .features = features, .thresholds = names});
  const EventArrays events = EventsOf({{{1, 0}}, {}, {{1, 0}}, {}});
  const std::vector<double> values = {1, 2, 3, 4}, limits = {0, 3.5};
  const RuleMembers members = compiled.Evaluate(
      {.n_users = 4, .events = events.view(), .reference = kNow, .features = values, .thresholds = limits}, nullptr);
  const std::vector<Threshold> thresholds = {{.name = "low", .value = 0}, {.name = "big", .value = 3.5}};
  const nlohmann::json made = RulesJson(compiled, members, thresholds);
  EXPECT_EQ(made.dump(),
            R"([{"name":"Whales","share":0.25,"size":1,"thresholds":{"big":3.5},"when":"monetary > threshold.big"},)"
            R"({"name":"Viewers","share":0.5,"size":2,"thresholds":{},"when":"views >= 1"}])");
  const std::vector<int64_t> transitions = {1, 2, 3, 4, 5, 6};
  const BehaviourRules before(rules, std::vector<RuleSpec>{{"z", "views >= 2"}},
                              {.events = kNames, .event_types = kTypes, .features = features, .thresholds = names});
  const nlohmann::json staged = StagesJson(compiled, members, transitions, &before);
  EXPECT_EQ(staged.dump(),
            R"({"last_names":["z"],"n_in_none":2,"names":["a","b"],"sizes":[2,0],"transitions":[[1,2,3],[4,5,6]],)"
            R"("when":["views >= 1","views >= 9"]})");
  EXPECT_TRUE(StagesJson(compiled, members, {})["transitions"].is_null());
  ASSERT_EQ(ParseRules(made, "manifest").size(), 2u);
  EXPECT_EQ(ParseRules(made, "manifest")[0].when, "monetary > threshold.big");
  ASSERT_EQ(ParseStages(staged, "manifest").size(), 2u);
  EXPECT_EQ(ParseStages(staged, "manifest")[1].name, "b");
  for (const char* broken : {"3", "{}", "[3]", R"([{"name":"a"}])", R"([{"name":"a","when":3}])"})
    EXPECT_THROW(ParseRules(nlohmann::json::parse(broken), "manifest"), Error) << broken;
  for (const char* broken :
       {"3", "{}", R"({"names":["a"],"when":[]})", R"({"names":["a"],"when":[3]})", R"({"names":3,"when":3})"})
    EXPECT_THROW(ParseStages(nlohmann::json::parse(broken), "manifest"), Error) << broken;
}

TEST(BehaviourRules, RefusesInputsOfOtherShapes) {
  const std::vector<std::string> features = {"recency"}, thresholds = {"big"};
  const std::vector<RuleSpec> rules = {{"R", "recency > threshold.big"}};
  const BehaviourRules compiled(rules, {}, {.features = features, .thresholds = thresholds});
  const std::vector<double> one = {1}, two = {1, 2};
  const auto evaluate = [&](const RuleInputs& inputs) { compiled.Evaluate(inputs, nullptr); };
  EXPECT_NO_THROW(evaluate({.n_users = 2, .features = two, .thresholds = one}));
  EXPECT_THROW(evaluate({.n_users = 2, .features = one, .thresholds = one}), Error);
  EXPECT_THROW(evaluate({.n_users = 2, .features = two, .thresholds = two}), Error);
  EXPECT_THROW(evaluate({.n_users = 2, .features = two, .thresholds = one, .likelihood = one}), Error);
  const std::vector<int64_t> indptr = {0, 0, 0, 0};
  EXPECT_THROW(evaluate({.n_users = 2, .events = {.indptr = indptr}, .features = two, .thresholds = one}), Error);
}

}  // namespace
}  // namespace kindred
