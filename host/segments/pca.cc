#include "host/segments/pca.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <utility>

#include "host/data/random.h"

namespace kindred {
namespace {

constexpr int64_t kBlock = 1024;       // points that are widened at a time
constexpr double kAsLarge = 1 - 1e-9;  // of the largest entry: the same but for rounding

/// The users with a label, in order.
std::vector<int32_t> Labelled(std::span<const int32_t> labels) {
  std::vector<int32_t> users;
  for (size_t user = 0; user < labels.size(); ++user)
    if (labels[user] >= 0) users.push_back(static_cast<int32_t>(user));
  return users;
}

std::vector<double> MeanOfPoints(HostMatrix<const float> points, std::span<const int32_t> users) {
  std::vector<double> mean(static_cast<size_t>(points.n_cols), 0);
  for (const int32_t user : users)
    for (size_t f = 0; f < mean.size(); ++f) mean[f] += double{points.row(user)[f]};
  for (double& value : mean) value /= static_cast<double>(std::max<size_t>(users.size(), 1));
  return mean;
}

Eigen::MatrixXd Covariance(HostMatrix<const float> points, std::span<const int32_t> users,
                           const std::vector<double>& mean) {
  const auto n_features = std::ssize(mean), n = std::ssize(users);
  Eigen::MatrixXd covariance = Eigen::MatrixXd::Zero(n_features, n_features);
  for (int64_t first = 0; first < n; first += kBlock) {
    Eigen::MatrixXd block(n_features, std::min(kBlock, n - first));
    for (int64_t i = 0; i < block.cols(); ++i)
      for (int64_t f = 0; f < n_features; ++f)
        block(f, i) = double{points.row(users[static_cast<size_t>(first + i)])[static_cast<size_t>(f)]} -
                      mean[static_cast<size_t>(f)];
    covariance.selfadjointView<Eigen::Lower>().rankUpdate(block);
  }
  return covariance / static_cast<double>(std::max<int64_t>(n, 1));
}

}  // namespace

std::array<double, 2> PrincipalComponents::Place(std::span<const float> point) const {
  std::array<double, 2> place = {0, 0};
  for (size_t c = 0; c < 2; ++c)
    for (size_t f = 0; f < point.size(); ++f) place[c] += (double{point[f]} - mean[f]) * loadings[c][f];
  return place;
}

PrincipalComponents FitPrincipalComponents(HostMatrix<const float> points, std::span<const int32_t> labels) {
  const std::vector<int32_t> users = Labelled(labels);
  PrincipalComponents result;
  result.mean = MeanOfPoints(points, users);
  for (std::vector<double>& loadings : result.loadings) loadings.assign(result.mean.size(), 0);
  if (result.mean.empty()) return result;
  const Eigen::MatrixXd covariance = Covariance(points, users, result.mean);
  const double trace = covariance.trace();
  if (!(trace > 0)) return result;
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solved(covariance);
  const int64_t n_features = covariance.rows();
  for (int64_t c = 0; c < std::min<int64_t>(2, n_features); ++c) {
    const Eigen::VectorXd vector = solved.eigenvectors().col(n_features - 1 - c);
    int64_t largest = 0;
    while (std::fabs(vector[largest]) < kAsLarge * vector.cwiseAbs().maxCoeff()) ++largest;
    for (int64_t f = 0; f < n_features; ++f)
      result.loadings[static_cast<size_t>(c)][static_cast<size_t>(f)] = vector[largest] < 0 ? -vector[f] : vector[f];
    result.explained[static_cast<size_t>(c)] = std::max(solved.eigenvalues()[n_features - 1 - c], 0.0) / trace;
  }
  return result;
}

std::vector<MapPoint> MapOf(const PrincipalComponents& components, HostMatrix<const float> points,
                            std::span<const int32_t> labels, size_t most) {
  std::vector<int32_t> users = Labelled(labels);
  if (users.size() > most) {
    std::vector<std::pair<uint64_t, int32_t>> drawn;
    for (const int32_t user : users) drawn.emplace_back(RandomBits(0, static_cast<uint64_t>(user)), user);
    std::nth_element(drawn.begin(), drawn.begin() + static_cast<int64_t>(most), drawn.end());
    users.clear();
    for (size_t i = 0; i < most; ++i) users.push_back(drawn[i].second);
    std::sort(users.begin(), users.end());
  }
  std::vector<MapPoint> map;
  for (const int32_t user : users) {
    const auto [x, y] = components.Place(points.row(user));
    map.push_back({user, x, y, labels[static_cast<size_t>(user)]});
  }
  return map;
}

}  // namespace kindred
