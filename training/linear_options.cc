#include "training/linear_options.h"

#include "host/cli/command_line.h"
#include "training/train_flags.h"

namespace kindred {

void LinearFlags::Set(TrainOptions* options) const {
  const auto set = [&](const char* flag, const auto& given, auto* option, std::initializer_list<std::string_view> of) {
    CheckFlagIsFor(flag, given.has_value(), options->algorithm, of);
    if (given) *option = *given;
  };
  set("--n-neighbours", n_neighbours, &options->n_neighbours, {"svd-filter", "item-cosine", "rp3beta", "ease"});
  set("--alpha", alpha, &options->alpha, {"rp3beta"});
  set("--beta", beta, &options->beta, {"rp3beta"});
  set("--max-items", max_items, &options->max_items, {"ease"});
  SvdFilterOptions& filter = options->svd_filter;
  set("--low-pass-weight", low_pass_weight, &filter.low_pass_weight, {"svd-filter"});
  set("--spectrum-power", spectrum_power, &filter.spectrum_power, {"svd-filter"});
  set("--popularity-exponent", popularity_exponent, &filter.popularity_exponent, {"svd-filter"});
  set("--target-exponent", target_exponent, &filter.target_exponent, {"svd-filter"});
}

void AddLinearFlags(CLI::App& app, LinearFlags& flags) {
  app.add_option(
         "--n-neighbours", flags.n_neighbours,
         "items that an item of a history speaks for (svd-filter, item-cosine, rp3beta, ease); of svd-filter 0: "
         "none; default: 400, of ease 1000")
      ->check(Within(0, INT32_MAX));
  app.add_option("--alpha", flags.alpha, "power of the chances of a step (rp3beta); default: 1")
      ->check(Within(0, kMaxDegreeExponent));
  app.add_option("--beta", flags.beta, "power of popularity that scores are divided by (rp3beta); default: 0.3")
      ->check(Within(-kMaxDegreeExponent, kMaxDegreeExponent));
  app.add_option("--low-pass-weight", flags.low_pass_weight,
                 "of the decomposed part against that of neighbours (svd-filter); default: 0.3")
      ->check(Within(0, 1e6));
  app.add_option("--spectrum-power", flags.spectrum_power,
                 "how much more strong directions count (svd-filter); default: 0, all alike")
      ->check(Within(0, 16));
  app.add_option("--popularity-exponent", flags.popularity_exponent,
                 "power of popularity that the decomposed part is multiplied by (svd-filter); default: 0.5")
      ->check(Within(-kMaxDegreeExponent, kMaxDegreeExponent));
  app.add_option("--target-exponent", flags.target_exponent,
                 "power of popularity that the neighbours' part is divided by (svd-filter); default: 0.5")
      ->check(Within(-kMaxDegreeExponent, kMaxDegreeExponent));
  app.add_option("--max-items", flags.max_items, "the largest catalogue whose inverse is made (ease); default: 20000")
      ->check(Within(1, kMaxInverseRows));
}

}  // namespace kindred
