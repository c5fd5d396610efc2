#include "host/models/svd.h"

#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>
#include <string>

#include "host/data/random.h"
#include "host/models/krylov_error.h"

namespace kindred {
namespace {

using RowMajor = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

constexpr double kNegligible = 0x1p-20;  // of the largest singular value
constexpr double kMaxTolerance = 0.05;   // beyond, the bounds are no longer ones

int64_t RoundUp(int64_t n, int64_t to) {
  return (n + to - 1) / to * to;
}

// Narrow blocks reach more with the same number of columns, wide ones read the matrix less often.
int64_t BlockColumns(int64_t k) {
  return std::clamp(RoundUp(k / 8, kPanelColumns), kPanelColumns, kMaxBlockColumns);
}

void CheckOptions(const SvdOptions& options) {
  const auto require = [](bool holds, const std::string& what) {
    if (!holds) throw Error(ErrorCode::kInvalidArgument, "SVD: " + what);
  };
  require(options.n_factors >= 1 && options.n_factors <= 4096,
          "n_factors is " + std::to_string(options.n_factors) + "; expected 1 to 4096");
  require(options.tolerance > 0 && options.tolerance <= kMaxTolerance,
          "the tolerance is " + std::to_string(options.tolerance) + "; expected more than 0 and at most 0.05");
  require(options.max_columns == 0 || options.max_columns >= options.n_factors,
          "max_columns is " + std::to_string(options.max_columns) + "; expected at least n_factors, or 0");
}

// The matrix AtA of the shorter side within a growing orthonormal basis of it. `shorter` has the shorter side as rows.
class KrylovSpace {
 public:
  KrylovSpace(Backend& backend, Context& context, const SparseRows& shorter, const SparseRows& longer, int64_t width,
              int64_t max_blocks, uint64_t seed)
      : backend_(backend),
        context_(context),
        shorter_(shorter),
        longer_(longer),
        width_(width),
        seed_(seed),
        basis_(backend, (max_blocks + 1) * shorter.n_rows(), width),
        image_(backend, longer.n_rows(), width),
        leads_out_(Eigen::MatrixXd::Zero(width, width)) {
    std::vector<float> start(static_cast<size_t>(longer.n_rows() * width));
    for (float& value : start) value = NextRandom();
    image_.Upload(backend_, context_, start);
    backend_.MultiplySparse(context_, shorter_, image_.matrix(), Slot(0));
    Orthonormalize(0);
    Refill(0);
  }

  // Applies AtA to the newest block: that becomes part of the basis, and what is left of the result the newest.
  void Extend() {
    const int64_t n = n_blocks_++;
    backend_.MultiplySparse(context_, longer_, Slot(n), image_.matrix());
    backend_.MultiplySparse(context_, shorter_, image_.matrix(), Slot(n_blocks_));
    n_products_ += 2;
    const std::vector<double> coefficients = Orthonormalize(n_blocks_);
    using Coefficients = Eigen::Map<const Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>;
    const Coefficients all(coefficients.data(), (n_blocks_ + 1) * width_, width_);
    const int64_t first = n * width_;
    projected_.conservativeResize(first + width_, first + width_);
    projected_.block(0, first, first, width_) = all.topRows(first);
    projected_.block(first, 0, width_, first) = all.topRows(first).transpose();
    const Eigen::MatrixXd own = all.middleRows(first, width_);
    projected_.block(first, first, width_, width_) = (own + own.transpose()) / 2;
    leads_out_ = all.bottomRows(width_);
    if (rank() < shorter_.n_rows()) Refill(n_blocks_);
  }

  int64_t n_columns() const { return n_blocks_ * width_; }
  int64_t n_products() const { return n_products_; }
  /// Columns of the basis that are not zero, with the newest block's.
  int64_t rank() const { return rank_ + newest_rank_; }
  /// Whether nothing is left that the basis does not span.
  bool complete() const { return newest_rank_ == 0; }
  /// Whether columns had to be replaced: values may then be there more often than the space shows yet.
  bool was_refilled() const { return was_refilled_; }
  /// AtA between the basis's columns. [n_columns x n_columns]
  const Eigen::MatrixXd& projected() const { return projected_; }
  /// What AtA makes of the last block's vectors outside of the basis. [width x width]
  const Eigen::MatrixXd& leads_out() const { return leads_out_; }

  /// basis times `by`. [n_columns x a multiple of kPanelColumns]
  Resident<float> Times(const RowMajor& by) const {
    const Resident<float> small(backend_, by.rows(), by.cols());
    Resident<float> product(backend_, shorter_.n_rows(), by.cols());
    small.Upload(backend_, context_, {by.data(), static_cast<size_t>(by.size())});
    backend_.MultiplyPanels(context_, Blocks(n_blocks_), small.matrix(), product.matrix());
    context_.Wait();
    return product;
  }

 private:
  float NextRandom() { return static_cast<float>(RandomUniform(seed_, counter_++) - 0.5); }

  MatrixView<float> Slot(int64_t n) const {
    const int64_t n_rows = shorter_.n_rows();
    return {basis_.view().data + n * n_rows * width_, n_rows, width_};
  }
  Panels Blocks(int64_t n) const { return {{basis_.view().data, n * shorter_.n_rows(), width_}, n}; }

  std::vector<double> Orthonormalize(int64_t n) {
    const Resident<double> resident(backend_, (n + 1) * width_, width_);
    std::vector<double> coefficients(static_cast<size_t>((n + 1) * width_ * width_));
    backend_.Orthonormalize(context_, Blocks(n), Slot(n), resident.matrix());
    resident.Download(backend_, context_, std::span<double>(coefficients));
    context_.Wait();
    rank_ += newest_rank_;
    newest_rank_ = 0;
    is_zero_.assign(static_cast<size_t>(width_), 0);
    for (int64_t c = 0; c < width_; ++c) {
      const bool zero = coefficients[static_cast<size_t>((n * width_ + c) * width_ + c)] == 0;
      is_zero_[static_cast<size_t>(c)] = zero;
      newest_rank_ += zero ? 0 : 1;
    }
    return coefficients;
  }

  // Puts random columns in place of the newest block's zeros: the space is invariant, but may not be all there is.
  void Refill(int64_t n) {
    if (newest_rank_ == width_) return;
    const int64_t n_rows = shorter_.n_rows();
    const MatrixView<float> slot = Slot(n);
    const View<std::byte> bytes = {reinterpret_cast<std::byte*>(slot.data),
                                   slot.size() * static_cast<int64_t>(sizeof(float))};
    std::vector<float> block(static_cast<size_t>(n_rows * width_));
    backend_.Download(context_, bytes, std::as_writable_bytes(std::span(block)));
    context_.Wait();
    for (int64_t r = 0; r < n_rows; ++r)
      for (int64_t c = 0; c < width_; ++c)
        if (is_zero_[static_cast<size_t>(c)]) block[static_cast<size_t>(r * width_ + c)] = NextRandom();
    backend_.Upload(context_, std::as_bytes(std::span(block)), bytes);
    newest_rank_ = 0;
    Orthonormalize(n);
    was_refilled_ = true;
  }

  Backend& backend_;
  Context& context_;
  const SparseRows& shorter_;
  const SparseRows& longer_;
  int64_t width_;
  uint64_t seed_;
  uint64_t counter_ = 0;
  int64_t n_blocks_ = 0, n_products_ = 1, rank_ = 0, newest_rank_ = 0;
  bool was_refilled_ = false;
  std::vector<char> is_zero_;  // columns of the newest block
  Resident<float> basis_;      // blocks one below the other
  Resident<float> image_;      // of the newest block, on the longer side
  Eigen::MatrixXd projected_, leads_out_;
};

// The eigenvectors of AtA in the space, best first, and what is known of their values.
struct Ritz {
  Eigen::VectorXd theta;
  Eigen::MatrixXd vectors;
  std::vector<double> errors;  // of the first k
  double worst = 0;            // of those that must be within the tolerance
};

Ritz Solve(const KrylovSpace& space, int64_t k, int64_t n_checked) {
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(space.projected());
  Ritz ritz;
  ritz.theta = solver.eigenvalues().reverse().cwiseMax(0.0);
  ritz.vectors = solver.eigenvectors().rowwise().reverse();
  const int64_t n = ritz.theta.size();
  const Eigen::MatrixXd residuals = space.leads_out() * ritz.vectors.bottomRows(space.leads_out().rows());
  const double negligible = ritz.theta[0] * kNegligible * kNegligible;
  ritz.errors = RitzErrors(ritz.theta, residuals, std::min(n_checked, n), negligible);
  for (double error : ritz.errors) ritz.worst = std::max(ritz.worst, error);
  ritz.errors.resize(static_cast<size_t>(std::min(k, n)));
  return ritz;
}

// Blocks to add before it is worth looking again: as many as bring the estimate to the tolerance at the rate seen.
int64_t BlocksToAdd(double before, double now, double tolerance, int64_t blocks_between, int64_t n_blocks) {
  const int64_t most = std::max<int64_t>(1, n_blocks / 6);
  if (!(before > now) || !(now > 0) || blocks_between == 0) return most;
  const double per_block = std::log(before / now) / static_cast<double>(blocks_between);
  return std::clamp<int64_t>(static_cast<int64_t>(std::ceil(std::log(now / tolerance) / per_block)), 1, most);
}

class SvdFit {
 public:
  SvdFit(Backend& backend, const ResidentInteractions& matrix, const SvdOptions& options)
      : backend_(backend),
        context_(backend.NewContext()),
        options_(options),
        rows_shorter_(matrix.by_user().n_rows <= matrix.by_user().n_cols),
        shorter_(rows_shorter_ ? matrix.users() : matrix.items()),
        longer_(rows_shorter_ ? matrix.items() : matrix.users()) {
    for (float value : matrix.by_user().values) svd_.squared_norm += double{value} * value;
  }

  Svd Run() {
    const int64_t k = options_.n_factors, width = BlockColumns(k), n = shorter_->n_rows();
    svd_.values.assign(static_cast<size_t>(k), 0);
    svd_.error = svd_.residual = svd_.values;
    svd_.left.assign(static_cast<size_t>(n_rows() * k), 0);
    svd_.right.assign(static_cast<size_t>(n_cols() * k), 0);
    if (n == 0 || longer_->n_rows() == 0 || svd_.squared_norm == 0) {
      svd_.stop = SvdStop::kExact;
      return std::move(svd_);
    }
    const int64_t most = options_.max_columns > 0 ? options_.max_columns : 10 * k + 256;
    const int64_t max_blocks = (std::min(most, n) + width - 1) / width;
    KrylovSpace space(backend_, *context_, *shorter_, *longer_, width, max_blocks, options_.seed);
    Finish(space, Grow(space, max_blocks, width));
    return std::move(svd_);
  }

 private:
  int64_t n_rows() const { return rows_shorter_ ? shorter_->n_rows() : longer_->n_rows(); }
  int64_t n_cols() const { return rows_shorter_ ? longer_->n_rows() : shorter_->n_rows(); }

  // Adds blocks until the values are good enough, or all there are.
  Ritz Grow(KrylovSpace& space, int64_t max_blocks, int64_t width) {
    const int64_t k = options_.n_factors;
    int64_t look_at = std::max<int64_t>(2, (2 * k + width - 1) / width), looked_at = 0;
    double before = 0;
    for (int64_t n_blocks = 1;; ++n_blocks) {
      space.Extend();
      const bool is_last = space.complete() || n_blocks == max_blocks;
      if (n_blocks < look_at && !is_last) continue;
      // A space that met its end begins anew beside it, and what it finds there must have settled too.
      const int64_t n_checked = k + (space.was_refilled() ? width : 0);
      Ritz ritz = Solve(space, k, n_checked);
      const bool is_enough = ritz.theta.size() >= n_checked && ritz.worst <= options_.tolerance;
      if (is_enough || is_last) {
        svd_.stop = space.complete() ? SvdStop::kExact : is_enough ? SvdStop::kTolerance : SvdStop::kLimit;
        return ritz;
      }
      look_at = n_blocks + BlocksToAdd(before, ritz.worst, options_.tolerance, n_blocks - looked_at, n_blocks);
      looked_at = n_blocks;
      before = ritz.worst;
    }
  }

  // From the Ritz vectors on the shorter side to both sides: with W = A V, the eigenvectors of WtW are V's last
  // rotation.
  void Finish(const KrylovSpace& space, const Ritz& ritz) {
    const int64_t k = std::min<int64_t>(options_.n_factors, ritz.theta.size());
    const int64_t width = RoundUp(k, kPanelColumns);
    RowMajor chosen = RowMajor::Zero(ritz.theta.size(), width);
    chosen.leftCols(k) = ritz.vectors.leftCols(k).cast<float>();
    Resident<float> start = space.Times(chosen);
    Resident<float> image(backend_, longer_->n_rows(), width), gram(backend_, width, width);
    backend_.MultiplySparse(*context_, *longer_, start.matrix(), image.matrix());
    backend_.Gram(*context_, image.matrix(), gram.matrix());
    const RowMajor squared = Download(gram);
    const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(squared.cast<double>());
    const Eigen::VectorXd theta = solver.eigenvalues().reverse().cwiseMax(0.0);
    const RowMajor rotation = solver.eigenvectors().rowwise().reverse().cast<float>();

    const Resident<float> resident_rotation(backend_, width, width);
    const Resident<float> near(backend_, shorter_->n_rows(), width), far(backend_, longer_->n_rows(), width);
    resident_rotation.Upload(backend_, *context_, {rotation.data(), static_cast<size_t>(rotation.size())});
    backend_.MultiplyPanels(*context_, {start.matrix(), 1}, resident_rotation.matrix(), near.matrix());
    backend_.MultiplyPanels(*context_, {image.matrix(), 1}, resident_rotation.matrix(), far.matrix());
    backend_.MultiplySparse(*context_, *shorter_, far.matrix(), start.matrix());  // AtA v, of which theta v is expected
    const RowMajor v = Download(near), w = Download(far), back = Download(start);
    svd_.n_columns = space.n_columns();
    svd_.n_products = space.n_products() + 2;
    Eigen::VectorXd squared_residuals = Eigen::VectorXd::Zero(width);
    for (int64_t r = 0; r < v.rows(); ++r)
      squared_residuals +=
          (back.row(r).transpose().cast<double>() - theta.cwiseProduct(v.row(r).transpose().cast<double>()))
              .cwiseAbs2();
    Eigen::VectorXd to_length_1 = Eigen::VectorXd::Zero(width);
    for (int64_t i = 0; i < k; ++i) {
      const double s = std::sqrt(theta[i]);
      if (s <= kNegligible * std::sqrt(theta[0])) break;
      const auto place = static_cast<size_t>(i);
      svd_.values[place] = s;
      svd_.error[place] = ritz.errors[place];
      svd_.residual[place] = std::sqrt(squared_residuals[i]) / theta[i];
      to_length_1[i] = 1 / s;
    }
    Write(v, w, to_length_1);
  }

  // Both sides with their signs, the far one's columns scaled to length 1; those whose factor is 0 become zero.
  void Write(const RowMajor& near, const RowMajor& far, const Eigen::VectorXd& to_length_1) {
    const int64_t k = options_.n_factors, width = near.cols();
    const RowMajor& right = rows_shorter_ ? far : near;
    std::vector<float> largest(static_cast<size_t>(width), 0);
    for (int64_t r = 0; r < right.rows(); ++r)
      for (int64_t i = 0; i < width; ++i)
        if (std::abs(right(r, i)) > std::abs(largest[static_cast<size_t>(i)]))
          largest[static_cast<size_t>(i)] = right(r, i);
    Eigen::RowVectorXd sign(width);
    for (int64_t i = 0; i < width; ++i)
      sign[i] = to_length_1[i] == 0 ? 0 : largest[static_cast<size_t>(i)] < 0 ? -1 : 1;
    const auto write = [&](const RowMajor& from, const Eigen::RowVectorXd& scale, std::vector<float>& to) {
      for (int64_t r = 0; r < from.rows(); ++r)
        for (int64_t i = 0; i < std::min(k, width); ++i)
          to[static_cast<size_t>(r * k + i)] = static_cast<float>(scale[i] * from(r, i));
    };
    write(near, sign, rows_shorter_ ? svd_.left : svd_.right);
    write(far, sign.cwiseProduct(to_length_1.transpose()), rows_shorter_ ? svd_.right : svd_.left);
  }

  RowMajor Download(const Resident<float>& from) {
    RowMajor to(from.n_rows(), from.n_cols());
    from.Download(backend_, *context_, {to.data(), static_cast<size_t>(to.size())});
    context_->Wait();
    return to;
  }

  Backend& backend_;
  std::unique_ptr<Context> context_;
  SvdOptions options_;
  bool rows_shorter_;
  std::shared_ptr<const SparseRows> shorter_, longer_;
  Svd svd_;
};

}  // namespace

double Svd::max_error() const {
  return error.empty() ? 0 : *std::max_element(error.begin(), error.end());
}

double Svd::energy() const {
  double held = 0;
  for (double s : values) held += s * s;
  return squared_norm > 0 ? held / squared_norm : 1;
}

const char* Text(SvdStop stop) {
  switch (stop) {
    case SvdStop::kTolerance:
      return "tolerance";
    case SvdStop::kExact:
      return "exact";
    case SvdStop::kLimit:
      break;
  }
  return "limit";
}

Svd FitSvd(Backend& backend, const CsrView& matrix, const SvdOptions& options) {
  CheckOptions(options);
  return FitSvd(backend, ResidentInteractions(backend, matrix), options);
}

Svd FitSvd(Backend& backend, const ResidentInteractions& matrix, const SvdOptions& options) {
  CheckOptions(options);
  return SvdFit(backend, matrix, options).Run();
}

std::vector<float> FirstColumns(std::span<const float> matrix, int64_t n_cols, int64_t k) {
  if (k < 1 || k > n_cols)
    throw Error(ErrorCode::kInvalidArgument,
                "SVD: " + std::to_string(k) + " of its factors are asked for; expected 1 to " + std::to_string(n_cols));
  std::vector<float> columns;
  for (auto row = matrix.begin(); row != matrix.end(); row += n_cols) columns.insert(columns.end(), row, row + k);
  return columns;
}

Svd Truncated(const Svd& svd, int64_t k) {
  Svd first = svd;
  for (std::vector<float> Svd::*side : {&Svd::left, &Svd::right})
    first.*side = FirstColumns(svd.*side, svd.n_factors(), k);
  for (std::vector<double> Svd::*of_each : {&Svd::values, &Svd::error, &Svd::residual})
    (first.*of_each).resize(static_cast<size_t>(k));
  return first;
}

}  // namespace kindred
