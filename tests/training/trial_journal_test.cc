#include "training/trial_journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/errors.h"
#include "tests/support/temporary_folder.h"

namespace kindred {
namespace {

using nlohmann::json;

class TrialJournalTest : public testing::Test {
 protected:
  std::filesystem::path Path() const { return folder_.path() / "t.toml.trials.jsonl"; }

  static std::vector<Trial> Some() {
    Trial complete = {1, {64, 0.01, 1, 0.1}, TrialState::kComplete, 0.25, 0.24999999999999997, 4};
    complete.curve = {{2, 0.125}, {4, 0.24999999999999997}};
    complete.seconds = 1.5;
    Trial stopped = {2, {32, 0.1, 0.5, 1}, TrialState::kStopped, NAN, 0.0625, 2};
    stopped.curve = {{2, 0.0625}};
    stopped.why = "below the \"median\"\n";
    Trial failed = {3, {32, 0.001, 0.5, 1}, TrialState::kFailed};
    failed.why = "singular";
    complete.device = stopped.device = {{"backend", "cuda"}, {"device", "Card"}};
    failed.device = {{"backend", "cpu"}};
    return {complete, stopped, failed};
  }

  TrialJournal Written() const {
    TrialJournal journal = TrialJournal::Start(Path(), settings_, false);
    for (const Trial& trial : Some()) journal.Append(trial, space_);
    return journal;
  }
  std::string Text() const {
    Written();
    return Content(Path());
  }

  void ExpectTrials(const std::vector<Trial>& found, size_t n) const {
    ASSERT_EQ(found.size(), n);
    for (size_t t = 0; t < n; ++t) EXPECT_EQ(TrialJson(found[t], space_), TrialJson(Some()[t], space_)) << t;
  }

  TemporaryFolder folder_;
  const SearchSpace space_ = SpaceOf("als");
  const json settings_ = {{"seed", 1}, {"metric", "ndcg_at_20"}, {kSpreadSetting, 4}};
};

TEST_F(TrialJournalTest, GivesBackWhatWasWritten) {
  Written();
  const TrialJournal journal = TrialJournal::Resume(Path(), settings_, space_);
  ExpectTrials(journal.trials(), 3);
  EXPECT_EQ(journal.settings(), settings_);
}

TEST_F(TrialJournalTest, ALineThatIsTornAnywhereIsDroppedAndWrittenAnew) {
  const std::string text = Text();
  const size_t last = text.rfind('\n', text.size() - 2) + 1;
  for (size_t size = last; size < text.size(); ++size) {
    folder_.Write(Path().filename(), text.substr(0, size));
    {
      TrialJournal journal = TrialJournal::Resume(Path(), settings_, space_);
      ExpectTrials(journal.trials(), 2);
      EXPECT_EQ(Content(Path()).size(), last);
      journal.Append(Some()[2], space_);
    }
    EXPECT_EQ(Content(Path()), text);
  }
  folder_.Write(Path().filename(), text.substr(0, last) + std::string(100, '\0') + "\n");
  ExpectTrials(TrialJournal::Resume(Path(), settings_, space_).trials(), 2);
}

TEST_F(TrialJournalTest, WhatIsNoJournalIsRefused) {
  const std::string text = Text();
  const auto refused = [&](ErrorCode code, const std::string& part, const std::string& content) {
    folder_.Write(Path().filename(), content);
    ExpectError(code, part, [&] { TrialJournal::Resume(Path(), settings_, space_); });
    EXPECT_EQ(Content(Path()), content);
  };
  const auto edited = [&](const std::string& from, const std::string& to) {
    std::string changed = text;
    changed.replace(changed.find(from), from.size(), to);
    return changed;
  };
  refused(ErrorCode::kCorrupt, "has no whole line", "");
  refused(ErrorCode::kCorrupt, "has no whole line", text.substr(0, 20));
  refused(ErrorCode::kCorrupt, "line 1", "seed = 1\n");
  refused(ErrorCode::kCorrupt, "line 1", text.substr(0, text.find('\n')) + "x\n");
  refused(ErrorCode::kCorrupt, "line 1 is not the head", "{}\n");
  for (const std::string other : {"1", "3"})
    refused(ErrorCode::kUnsupported, "format " + other + ", as another version of this program writes it",
            edited("\"kindred_tune\":2", "\"kindred_tune\":" + other));
  refused(ErrorCode::kCorrupt, "line 2", edited("{\"curve\":[{", "\"curve\":[{"));
  refused(ErrorCode::kCorrupt, "line 2: trial 5 where 1", edited("\"trial\":1", "\"trial\":5"));
  refused(ErrorCode::kCorrupt, "line 2: 'state'", edited("complete", "done"));
  refused(ErrorCode::kCorrupt, "line 2: 'value' is no number", edited("\"value\":0.25}", "\"value\":null}"));
  refused(ErrorCode::kCorrupt, "line 2: the epochs", edited("\"epoch\":2", "\"epoch\":4"));
  refused(ErrorCode::kCorrupt, "line 2: 'epochs' is no count", edited("\"epochs\":4", "\"epochs\":1e99"));
  refused(ErrorCode::kCorrupt, "line 2: the parameter 'n-factors'", edited("\"n-factors\":64", "\"n-factors\":0"));
  refused(ErrorCode::kCorrupt, "line 2: 'device' is none",
          edited("\"device\":{\"backend\":\"cuda\",\"device\":\"Card\"}", "\"device\":\"cuda\""));
  refused(ErrorCode::kCorrupt, "'n_spread'", edited("\"n_spread\":4", "\"n_spread\":\"4\""));
}

TEST_F(TrialJournalTest, OfOtherSettingsIsRefusedNamingThem) {
  Written();
  json other = settings_;
  other["seed"] = 2;
  other.erase("metric");
  ExpectError(ErrorCode::kInvalidArgument,
              "is of another search: seed is 1 in the journal and 2 here; metric is \"ndcg_at_20\" in the journal and "
              "nothing here",
              [&] { TrialJournal::Resume(Path(), other, space_); });
  json free = settings_;
  free[kSpreadSetting] = 9;
  EXPECT_EQ(TrialJournal::Resume(Path(), free, space_).settings(), settings_);
}

TEST_F(TrialJournalTest, OneProcessAtATime) {
  const TrialJournal journal = Written();
  ExpectError(ErrorCode::kAlreadyExists, "another process", [&] { TrialJournal::Resume(Path(), settings_, space_); });
  ExpectError(ErrorCode::kAlreadyExists, "another process", [&] { TrialJournal::Start(Path(), settings_, true); });
}

TEST_F(TrialJournalTest, OneThatIsThereIsReplacedOnlyIfAsked) {
  Written();
  ExpectError(ErrorCode::kAlreadyExists, "is there already", [&] { TrialJournal::Start(Path(), settings_, false); });
  EXPECT_TRUE(TrialJournal::Start(Path(), settings_, true).trials().empty());
  EXPECT_TRUE(TrialJournal::Resume(Path(), settings_, space_).trials().empty());
  std::filesystem::remove(Path());
  ExpectError(ErrorCode::kNotFound, "nothing to resume", [&] { TrialJournal::Resume(Path(), settings_, space_); });
}

}  // namespace
}  // namespace kindred
