// The index that a version keeps.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "host/models/model.h"
#include "host/store/npy.h"
#include "kernels/cpu/item_codes.h"
#include "tests/support/editable_artifact.h"
#include "tests/support/errors.h"
#include "tests/support/small_blend.h"
#include "tests/support/small_model.h"
#include "tests/support/temporary_folder.h"

namespace kindred {
namespace {

class ModelCodesTest : public testing::Test {
 protected:
  /// Publishes a model with its codes as version 1 of "m".
  void Publish(const SmallModel& model) {
    codes_.emplace(ItemCodes::Of(model.view().item_factors, true, 1));
    ModelView view = model.view();
    view.item_codes = codes_->view();
    PublishModel(store_, "m", view, {});
  }

  TemporaryFolder folder_;
  ModelStore store_{folder_.path() / "store"};
  std::optional<ItemCodes> codes_;
};

TEST_F(ModelCodesTest, ComeBack) {
  for (const int64_t n_items : {0, 1, 63, 64, 65})
    for (const int64_t f : {1, 3, 64, 600}) {
      SCOPED_TRACE(testing::Message() << n_items << " items, f " << f);
      Publish(SmallModel(2, n_items, f));
      const auto opened = Model::Open(store_, "m");
      const ItemCodesView &found = opened->view().item_codes, expected = codes_->view();
      EXPECT_EQ(found.empty(), n_items == 0);
      EXPECT_TRUE(std::ranges::equal(found.order, expected.order));
      EXPECT_TRUE(std::ranges::equal(found.codes.all(), expected.codes.all()));
      EXPECT_TRUE(std::ranges::equal(found.figures.all(), expected.figures.all()));
      EXPECT_TRUE(std::ranges::equal(found.rotation.all(), expected.rotation.all()));
      EXPECT_EQ(found.rotation.n_rows, n_items > 0 && (f == 3 || f == 64) ? f : 0);
    }
}

TEST_F(ModelCodesTest, OfAnItemItemModelKeepTheOrderOfTheItems) {
  const SmallModel model = SmallModel(4, 70, 3).KnowAttributes();
  ModelView view = model.view();
  const std::vector<int64_t> indptr(71);
  view.item_item = {70, 70, indptr, {}, {}};
  const ItemCodes codes = ItemCodes::Of(view.item_factors, false, 1);
  view.item_codes = codes.view();
  PublishModel(store_, "m", view, {});
  const auto opened = Model::Open(store_, "m");
  EXPECT_FALSE(opened->view().item_codes.empty());
  EXPECT_TRUE(opened->view().item_codes.order.empty());
}

TEST_F(ModelCodesTest, AVersionMayHaveNoneOrThoseOfAnotherProgram) {
  const SmallModel model;
  PublishModel(store_, "m", model.view(), {});
  EXPECT_FALSE(Model::Open(store_, "m")->manifest().contains("item_codes_version"));
  EXPECT_TRUE(Model::Open(store_, "m")->view().item_codes.empty());

  Publish(model);
  const EditableArtifact artifact(store_.VersionPath("m", 2));
  ASSERT_EQ(artifact.manifest().at("item_codes_version"), 1);
  EXPECT_FALSE(Model::Open(store_, "m")->view().item_codes.empty());
  for (const nlohmann::json& number : {nlohmann::json(0), nlohmann::json(2), nlohmann::json("1"), nlohmann::json()}) {
    nlohmann::json manifest = artifact.manifest();
    manifest["item_codes_version"] = number;
    artifact.ReplaceManifest(manifest.dump());
    EXPECT_TRUE(Model::Open(store_, "m")->view().item_codes.empty()) << number;
  }
}

TEST_F(ModelCodesTest, ThatDoNotFitAreRefused) {
  Publish(SmallModel(3, 70, 5));
  const EditableArtifact artifact(store_.VersionPath("m", 1));
  const ItemCodesView codes = codes_->view();
  const auto content = [](const auto& matrix, std::vector<int64_t> shape) {
    using T = std::remove_const_t<typename std::decay_t<decltype(matrix)>::element_type>;
    std::string text = NpyHeader(NpyType<T>::kDescr, shape);
    return text.append(reinterpret_cast<const char*>(matrix.data()), matrix.size_bytes());
  };
  const auto refused = [&](const std::string& part, const std::string& name, const std::string& changed) {
    SCOPED_TRACE(part);
    artifact.Replace(name, changed);
    ExpectError(ErrorCode::kCorrupt, part, [&] { Model::Open(store_, "m"); });
    ExpectError(ErrorCode::kCorrupt, artifact.path().string(), [&] { Model::Open(store_, "m"); });
    for (const auto& [file, original] : artifact.files())
      if (file == name) artifact.Replace(name, original);
  };
  std::vector<int32_t> order(codes.order.begin(), codes.order.end());
  order[4] = order[5];
  refused(" again at 5", "item_codes_order.npy", content(std::span(order), {70}));
  order[4] = 70;
  refused("item_codes_order holds 70 of 70 items at 4", "item_codes_order.npy", content(std::span(order), {70}));
  refused("item_codes_order has size 69; expected 70", "item_codes_order.npy", content(codes.order.first(69), {69}));
  std::vector<uint8_t> bytes(codes.codes.all().begin(), codes.codes.all().end());
  refused("item_codes (rows) has size 1; expected 2", "item_codes.npy", content(std::span(bytes).first(512), {1, 512}));
  bytes[700] = 0;
  refused("item_codes holds 0 at 700", "item_codes.npy", content(std::span(bytes), {2, 512}));
  refused("item_codes (columns) has size 256; expected 512", "item_codes.npy",
          content(std::span(bytes).first(512), {2, 256}));
  refused("expected '|u1' in 2", "item_codes.npy", content(std::span(bytes), {1024}));
  std::vector<double> figures(codes.figures.all().begin(), codes.figures.all().end());
  figures[3] = -1;
  refused("item_codes_figures holds -1", "item_codes_figures.npy", content(std::span(figures), {2, 5}));
  refused("item_codes_figures (rows) has size 5; expected 2", "item_codes_figures.npy",
          content(std::span(figures), {5, 2}));
  std::vector<float> rotation(codes.rotation.all().begin(), codes.rotation.all().end());
  rotation[24] = NAN;
  refused("item_codes_rotation holds nan at 24", "item_codes_rotation.npy", content(std::span(rotation), {5, 5}));
  EXPECT_NO_THROW(Model::Open(store_, "m"));
}

TEST_F(ModelCodesTest, AreNotPublishedWithWhatIsRankedOtherwise) {
  const auto refused = [&](const std::string& part, ModelView view, HostMatrix<const float> items, bool ordered) {
    const ItemCodes codes = ItemCodes::Of(items, ordered, 1);
    view.item_codes = codes.view();
    ExpectError(ErrorCode::kInvalidArgument, part, [&] { PublishModel(store_, "m", view, {}); });
  };
  const SmallModel rated = std::move(SmallModel().Rate()), model;
  refused("item_codes do not go with what this 'als' ranks", rated.view(), rated.view().item_factors, true);
  SmallBlend blend;
  refused("item_codes do not go with what this 'blend' ranks", blend.blend, model.view().item_factors, true);
  refused("item_codes_order has size 0; expected 7", model.view(), model.view().item_factors, false);
}

}  // namespace
}  // namespace kindred
