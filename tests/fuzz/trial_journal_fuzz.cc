// Any bytes as a journal of trials: refused, or trials that a search can go on from.
#include <cmath>
#include <cstdlib>

#include "kernels/error.h"
#include "training/trial_journal.h"
#include "training/trial_search.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const kindred::SearchSpace space = kindred::SpaceOf("als");
  try {
    const kindred::JournalContent content =
        kindred::ParseJournal({reinterpret_cast<const char*>(data), size}, space, "input");
    if (content.bytes < 1 || content.bytes > static_cast<int64_t>(size) || data[content.bytes - 1] != '\n')
      std::abort();
    for (const kindred::Trial& trial : content.trials)
      if (trial.state == kindred::TrialState::kComplete && !std::isfinite(trial.value)) std::abort();
    if (content.trials.size() < 20) kindred::NextPoint(space, content.trials, 3, 1);
    kindred::TrialJson(content.trials.empty() ? kindred::Trial{1, space.Defaults()} : content.trials.back(), space);
  } catch (const kindred::Error&) {
  }
  return 0;
}
