#include "host/segments/logistic_regression.h"

#include <fmt/format.h>

#include <Eigen/Cholesky>
#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/error.h"

namespace kindred {
namespace {

constexpr int64_t kBlock = 1024;  // rows whose sums are taken together: work is cut by shape
constexpr int kMaxIterations = 100, kMaxHalvings = 40;
constexpr double kTolerance = 1e-12;

/// log(1 + exp(t)).
double LogOnePlusExp(double t) {
  return t > 0 ? t + std::log1p(std::exp(-t)) : std::log1p(std::exp(t));
}

/// The labelled rows, standardized, with a 1 for the intercept behind the features that vary.
class Problem {
 public:
  Problem(std::span<const float> x, std::span<const int8_t> labels, int64_t n_features, double l2, ThreadPool& pool)
      : x_(x), d_(static_cast<size_t>(n_features)), l2_(l2), pool_(pool) {
    for (size_t i = 0; i < labels.size(); ++i) {
      if (labels[i] < 0) continue;
      rows_.push_back(i);
      labels_.push_back(labels[i]);
    }
    Standardize();
  }

  const std::vector<int8_t>& labels() const { return labels_; }
  const LogisticModel& scales() const { return model_; }
  const std::vector<size_t>& varying() const { return varying_; }
  Eigen::Index size() const { return static_cast<Eigen::Index>(varying_.size()) + 1; }

  /// Loss with its penalty; of `beta`, the intercept last. Fills the log odds of each row.
  double Loss(const Eigen::VectorXd& beta, std::vector<double>* odds) const {
    odds->resize(rows_.size());
    std::vector<double> sums(n_blocks());
    ForBlocks([&](size_t block, size_t first, size_t last) {
      std::vector<double> z(static_cast<size_t>(size()));
      for (size_t i = first; i < last; ++i) {
        Row(i, z.data());
        double t = 0;
        for (Eigen::Index j = 0; j < size(); ++j) t += beta[j] * z[static_cast<size_t>(j)];
        (*odds)[i] = t;
        sums[block] += LogOnePlusExp(labels_[i] != 0 ? -t : t);
      }
    });
    double loss = 0;
    for (const double sum : sums) loss += sum;
    return loss + 0.5 * l2_ * beta.head(size() - 1).squaredNorm();
  }

  /// Gradient and Hessian (its lower half) at the log odds.
  void Derivatives(const Eigen::VectorXd& beta, const std::vector<double>& odds, Eigen::VectorXd* gradient,
                   Eigen::MatrixXd* hessian) const {
    gradient->setZero(size());
    hessian->setZero(size(), size());
    // A round has as many blocks as keep the matrices in some memory, added in order.
    constexpr size_t kRound = 64;
    std::vector<Eigen::VectorXd> g(kRound);
    std::vector<Eigen::MatrixXd> h(kRound);
    for (size_t round = 0; round < n_blocks(); round += kRound) {
      const size_t n = std::min(kRound, n_blocks() - round);
      pool_.Run(static_cast<int64_t>(n), pool_.n_threads(), [&](int64_t task, int) {
        const auto k = static_cast<size_t>(task);
        BlockDerivatives(round + k, odds, &g[k], &h[k]);
      });
      for (size_t k = 0; k < n; ++k) {
        *gradient += g[k];
        *hessian += h[k];
      }
    }
    for (Eigen::Index j = 0; j + 1 < size(); ++j) {
      (*gradient)[j] += l2_ * beta[j];
      (*hessian)(j, j) += l2_;
    }
  }

 private:
  size_t n_blocks() const { return (rows_.size() + kBlock - 1) / kBlock; }

  template <class Body>
  void ForBlocks(const Body& body) const {
    pool_.Run(static_cast<int64_t>(n_blocks()), pool_.n_threads(), [&](int64_t task, int) {
      const auto first = static_cast<size_t>(task * kBlock);
      body(static_cast<size_t>(task), first, std::min(first + static_cast<size_t>(kBlock), rows_.size()));
    });
  }

  double At(size_t row, size_t j) const { return x_[rows_[row] * d_ + j]; }

  void Row(size_t row, double* z) const {
    for (const size_t j : varying_) *z++ = (At(row, j) - model_.means[j]) / model_.deviations[j];
    *z = 1;
  }

  void BlockDerivatives(size_t block, const std::vector<double>& odds, Eigen::VectorXd* gradient,
                        Eigen::MatrixXd* hessian) const {
    const size_t first = block * kBlock, last = std::min(first + static_cast<size_t>(kBlock), rows_.size());
    const auto n = static_cast<Eigen::Index>(last - first);
    Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> z(n, size());
    Eigen::VectorXd residual(n);
    Eigen::VectorXd weight(n);
    for (size_t i = first; i < last; ++i) {
      const auto at = static_cast<Eigen::Index>(i - first);
      Row(i, z.row(at).data());
      const double p = Sigmoid(odds[i]);
      residual[at] = p - labels_[i];
      weight[at] = std::sqrt(p * Sigmoid(-odds[i]));
    }
    *gradient = z.transpose() * residual;
    z.array().colwise() *= weight.array();
    *hessian = Eigen::MatrixXd::Zero(size(), size());
    hessian->selfadjointView<Eigen::Lower>().rankUpdate(z.transpose());
  }

  /// Means and deviations in two passes; what does not vary beyond rounding is constant.
  void Standardize() {
    const auto n = static_cast<double>(rows_.size());
    model_.means.assign(d_, 0);
    model_.deviations.assign(d_, 0);
    model_.coefficients.assign(d_, 0);
    for (size_t j = 0; j < d_; ++j) {
      double sum = 0, squares = 0, largest = 0;
      for (size_t i = 0; i < rows_.size(); ++i) {
        if (!std::isfinite(At(i, j)))
          throw Error(ErrorCode::kInvalidArgument,
                      fmt::format("feature {} of row {} is {}; expected a finite number", j, rows_[i], At(i, j)));
        sum += At(i, j);
        largest = std::max(largest, std::fabs(At(i, j)));
      }
      model_.means[j] = sum / n;
      for (size_t i = 0; i < rows_.size(); ++i) squares += (At(i, j) - model_.means[j]) * (At(i, j) - model_.means[j]);
      const double deviation = std::sqrt(squares / n);
      if (deviation <= 1e-9 * largest) continue;
      model_.deviations[j] = deviation;
      varying_.push_back(j);
    }
  }

  std::span<const float> x_;
  size_t d_;
  double l2_;
  ThreadPool& pool_;
  std::vector<size_t> rows_;
  std::vector<int8_t> labels_;
  LogisticModel model_;
  std::vector<size_t> varying_;
};

bool IsSeparable(const std::vector<double>& odds, const std::vector<int8_t>& labels) {
  double least = std::numeric_limits<double>::infinity(), most = -least;
  for (size_t i = 0; i < odds.size(); ++i) {
    if (labels[i] != 0)
      least = std::min(least, odds[i]);
    else
      most = std::max(most, odds[i]);
  }
  return least > most;
}

}  // namespace

double Sigmoid(double t) {
  if (t >= 0) return 1 / (1 + std::exp(-t));
  const double e = std::exp(t);
  return e / (1 + e);
}

double LogisticModel::LogOdds(std::span<const float> x) const {
  double t = 0;
  for (size_t j = 0; j < coefficients.size(); ++j) t += Part(j, x[j]);
  return t + intercept;
}

LogisticFit FitLogistic(std::span<const float> x, std::span<const int8_t> labels, int64_t n_features, double l2,
                        ThreadPool& pool) {
  if (!(l2 > 0)) throw Error(ErrorCode::kInvalidArgument, fmt::format("a penalty of {}; expected more than 0", l2));
  const Problem problem(x, labels, n_features, l2, pool);
  const std::vector<int8_t>& known = problem.labels();
  const auto n_positive = static_cast<int64_t>(std::count(known.begin(), known.end(), int8_t{1}));
  const auto n = static_cast<int64_t>(known.size());
  if (n_positive == 0 || n_positive == n)
    throw Error(
        ErrorCode::kInvalidArgument,
        fmt::format("{} rows have the label 1 and {} the label 0; expected some of both", n_positive, n - n_positive));
  const Eigen::Index size = problem.size();
  Eigen::VectorXd beta = Eigen::VectorXd::Zero(size), gradient;
  Eigen::MatrixXd hessian;
  beta[size - 1] = std::log(static_cast<double>(n_positive) / static_cast<double>(n - n_positive));
  std::vector<double> odds;
  double loss = problem.Loss(beta, &odds);
  LogisticFit fit;
  for (bool done = false; !done; ++fit.n_iterations) {
    if (fit.n_iterations == kMaxIterations) throw Error(ErrorCode::kNumeric, "the regression does not converge");
    problem.Derivatives(beta, odds, &gradient, &hessian);
    const Eigen::LLT<Eigen::MatrixXd, Eigen::Lower> factored(hessian);
    if (factored.info() != Eigen::Success) throw Error(ErrorCode::kNumeric, "the regression's equations are singular");
    const Eigen::VectorXd step = factored.solve(gradient);
    const double decrement = step.dot(gradient);
    done = decrement <= kTolerance * loss;
    double scale = 1;
    for (int halvings = 0;; ++halvings, scale /= 2) {
      std::vector<double> odds_there;
      const Eigen::VectorXd there = beta - scale * step;
      const double loss_there = problem.Loss(there, &odds_there);
      if (loss_there <= loss || done) {
        done = done || loss_there == loss;
        if (loss_there <= loss) beta = there, loss = loss_there, odds = std::move(odds_there);
        break;
      }
      if (halvings == kMaxHalvings) {  // within rounding of the optimum
        done = true;
        break;
      }
    }
  }
  fit.model = problem.scales();
  for (size_t k = 0; k < problem.varying().size(); ++k)
    fit.model.coefficients[problem.varying()[k]] = beta[static_cast<Eigen::Index>(k)];
  fit.model.intercept = beta[size - 1];
  for (size_t i = 0; i < odds.size(); ++i) fit.loss += LogOnePlusExp(known[i] != 0 ? -odds[i] : odds[i]);
  fit.loss /= static_cast<double>(n);
  fit.separable = IsSeparable(odds, known);
  return fit;
}

}  // namespace kindred
