// What a fit of ALS will take, measured on a part of its rows.
#pragma once

#include "host/models/als.h"

namespace kindred {

/// Seconds of a fit's parts on one backend.
struct AlsSeconds {
  double begin = 0;             // to transpose the interactions, to draw the first factors, to make room and to copy
  double users = 0, items = 0;  // a half-step that solves these

  double fit(int64_t n_user_steps, int64_t n_item_steps) const {
    return begin + static_cast<double>(n_user_steps) * users + static_cast<double>(n_item_steps) * items;
  }
};

/// Measured: of both sides each 64th row by length is solved against random factors of full size, and the time scaled
/// by what all rows cost in flops; where those are too few to tell, each 8th row, or all. A system that turns
/// out singular is no error here. Throws as Backend::PlanAls does. Cost: less than an epoch, and on long fits a small
/// part of one; memory: one side's factors, and the rows that are solved.
AlsSeconds MeasureAls(Backend& backend, const CsrView& interactions, const AlsOptions& options);

}  // namespace kindred
