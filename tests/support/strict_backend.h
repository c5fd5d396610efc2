// A CPU backend that keeps its callers honest.
//
//  - Memory it did not allocate, or that is gone, is rejected where it is used.
//  - Import always copies, and new memory holds NaN patterns: nobody reads what nobody wrote.
//  - Operations run only at Wait: an output read, or an input dropped, too early is seen.
#pragma once

#include <memory>

#include "kernels/backend.h"

namespace kindred {

std::unique_ptr<Backend> NewStrictBackend(int n_threads);

}  // namespace kindred
