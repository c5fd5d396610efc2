// Any bytes as a file of users: refused, or different users in order, each known or not as its id says.
#include <cstdlib>
#include <set>

#include "kernels/error.h"
#include "tests/support/small_model.h"
#include "tests/support/temporary_folder.h"
#include "training/listed_users.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const kindred::SmallModel small(5, 3);
  static const kindred::TemporaryFolder folder;
  static const kindred::ModelView model = small.view();
  const std::string path = folder.Write("users.txt", {reinterpret_cast<const char*>(data), size});
  for (const auto policy :
       {kindred::UnknownUsers::kPopular, kindred::UnknownUsers::kSkip, kindred::UnknownUsers::kFail}) {
    try {
      const kindred::ListedUsers users(model, path, policy);
      std::set<std::string_view> ids;
      int64_t n_unknown = 0;
      for (int64_t i = 0; i < users.size(); ++i) {
        const std::string_view id = users.Id(i);
        if (id.empty() || !ids.insert(id).second || users.User(i) != model.users.Find(id)) std::abort();
        n_unknown += users.User(i) < 0 ? 1 : 0;
      }
      if (policy == kindred::UnknownUsers::kPopular && n_unknown != users.n_unknown()) std::abort();
      if (policy != kindred::UnknownUsers::kPopular && n_unknown != 0) std::abort();
    } catch (const kindred::Error&) {
    }
  }
  return 0;
}
