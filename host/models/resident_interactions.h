// Interactions made resident once, for as many fits as want them.
#pragma once

#include <cstdint>
#include <memory>

#include "host/data/interactions.h"
#include "kernels/backend.h"

namespace kindred {

/// Users x items interactions and their transpose, as rows of a backend. Memory: the transpose, and what the backend
/// keeps of both (Backend::NewSparseRows).
class ResidentInteractions {
 public:
  /// `interactions` are used in place and outlive this and every fit. `max_entry_bytes`: of each side's entries, as
  /// AlsPlan has it. Throws what NewSparseRows throws.
  ResidentInteractions(Backend& backend, const CsrView& interactions, int64_t max_entry_bytes = INT64_MAX)
      : by_user_(interactions),
        transpose_(Transpose(interactions)),
        users_(backend.NewSparseRows(by_user_, {}, nullptr, max_entry_bytes)),
        items_(backend.NewSparseRows(by_item(), {}, nullptr, max_entry_bytes)) {}
  ResidentInteractions(const ResidentInteractions&) = delete;
  ResidentInteractions& operator=(const ResidentInteractions&) = delete;

  const CsrView& by_user() const { return by_user_; }
  CsrView by_item() const { return transpose_.view(); }
  const std::shared_ptr<const SparseRows>& users() const { return users_; }
  const std::shared_ptr<const SparseRows>& items() const { return items_; }

 private:
  CsrView by_user_;
  Csr transpose_;
  std::shared_ptr<const SparseRows> users_, items_;
};

}  // namespace kindred
