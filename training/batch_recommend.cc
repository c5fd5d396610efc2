#include "training/batch_recommend.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <numeric>
#include <utility>
#include <vector>

#include "host/conditions/filter.h"
#include "host/models/model.h"
#include "host/ranking/user_lists.h"
#include "host/store/checksum.h"
#include "host/store/files.h"
#include "host/text/text.h"
#include "kernels/cpu/parallel.h"
#include "training/evaluating.h"
#include "training/list_format.h"
#include "training/resumable_file.h"
#include "training/working_backend.h"

namespace kindred {
namespace {

using nlohmann::json;

constexpr int64_t kRowsInPiece = 1 << 15;

ListFileFormat FormatOf(const BatchOptions& options) {
  const auto format = options.format.empty() ? ListFileFormatOf(options.out) : ListFileFormatNamed(options.format);
  if (!format)
    throw Error(ErrorCode::kUsage,
                fmt::format("--out '{}': its name says no format; expected .csv, .jsonl or .parquet, "
                            "with .gz or .zst behind the first two, or --format",
                            Printable(options.out, 400)));
  if (format == ListFileFormat::kParquet && PackingOf(options.out) != Packing::kNone)
    throw Error(ErrorCode::kUsage,
                fmt::format("--out '{}': Parquet is compressed inside, with zstd; expected a name "
                            "without {}",
                            Printable(options.out, 400), PackingOf(options.out) == Packing::kGzip ? ".gz" : ".zst"));
  return *format;
}

void CheckOptions(const BatchOptions& options) {
  const auto refuse = [](bool given, const char* flag, const std::string& why) {
    if (given) throw Error(ErrorCode::kUsage, fmt::format("{} {}", flag, why));
  };
  const std::string of_users = "is for lists of users, and not for --similar-items";
  refuse(options.similar_items && !options.users.empty(), "--users", of_users);
  refuse(options.similar_items && options.include_seen, "--include-seen", of_users);
  refuse(options.similar_items && options.with_probabilities, "--with-probabilities", of_users);
  refuse(options.unknown_users.has_value() && options.users.empty(), "--unknown-users", "needs --users");
}

/// What Parquet and JSON ask of texts. `what` is "user" or "item".
void CheckTexts(const IdMap& ids, const char* what, ListFileFormat format) {
  for (int64_t i = 0; i < ids.size(); ++i)
    if (!IsUtf8(ids.Id(i)))
      throw Error(ErrorCode::kUnsupported,
                  fmt::format("{} {}: its id '{}' is not UTF-8, which ids must be for {}; CSV takes it as it is", what,
                              i, Printable(ids.Id(i)), ListFileFormatName(format)));
}

/// The items that a filter lets through at this time; null for no filter.
std::shared_ptr<const ItemBits> EligibleItems(const std::string& filter, const ModelView& model) {
  if (filter.empty()) return nullptr;
  try {
    const auto items = ItemTable::From(model.item_columns, nullptr);
    const AttributeTable no_users;
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::make_shared<const ItemBits>(
        Filter::Compile(filter, *items, no_users, {})
            .Evaluate(*items, no_users, {.now = std::chrono::duration_cast<std::chrono::seconds>(now).count()}));
  } catch (const Error& error) {
    const bool asks_more = filter.find("user.") != filter.npos || filter.find("context.") != filter.npos;
    throw Error(error.code(), fmt::format("--filter: {}{}", error.what(),
                                          asks_more ? "\n(one filter is for all lists: it has attributes of items, and "
                                                      "neither user. nor context.)"
                                                    : ""));
  }
}

int64_t MeanBytes(const IdMap& ids) {
  return std::ssize(ids.bytes()) / std::max<int64_t>(ids.size(), 1);
}

class BatchRun {
 public:
  BatchRun(const BatchOptions& options, const BatchEvents& events)
      : options_(options),
        events_(events),
        format_(FormatOf(options)),
        working_(options.backend, options.n_threads, GramPrecision::kBf16x3, events.warning),
        model_(OpenVersion(options)),
        view_(model_->view()),
        users_(options.users.empty() ? ListedUsers(view_) : ListedUsers(view_, options.users, UnknownPolicy())),
        n_lists_(options.similar_items ? view_.n_items() : users_.size()),
        eligible_(EligibleItems(options.filter, view_)),
        pool_(options.n_threads) {
    if (options.with_probabilities && view_.calibration.empty())
      throw Error(ErrorCode::kUnsupported,
                  fmt::format("--with-probabilities: version {} has no calibration of its scores, as nothing was held "
                              "out when it was trained, or too little",
                              model_->version()));
    if (format_ != ListFileFormat::kCsv) CheckIds();
    ListContent content = {{}, view_.items, view_.calibration};
    if (options.similar_items) content.columns.of = "item", content.columns.item = "similar_item";
    content.columns.scores = options.with_scores;
    content.columns.probabilities = options.with_probabilities;
    writer_ = NewListFormat(format_, std::move(content), PackingOf(options.out));
  }

  json Run() {
    tile_lists_ = options_.batch > 0 ? options_.batch : ChosenBatch();
    ResumableFile file = options_.resume
                             ? ResumableFile::Resume(options_.out, Settings(), writer_->n_columns(), options_.overwrite)
                             : ResumableFile::Start(options_.out, Settings(), options_.overwrite);
    for (const WrittenTile& tile : file.tiles()) done_ += tile.n_lists;
    if (done_ > n_lists_)
      throw Error(ErrorCode::kCorrupt, fmt::format("'{}.journal' names {} lists of {}", options_.out, done_, n_lists_));
    const int64_t resumed = done_;
    if (events_.stage) events_.stage(Doing(resumed));
    if (file.tiles().empty()) WriteHead(file);
    working_.Run("recommending", [&](Backend& backend) {
      const Ranker ranker(backend, view_, model_);
      const auto context = backend.NewContext();
      while (done_ < n_lists_) WriteTile(*context, ranker, file);
    });
    std::vector<TileColumns> tiles;
    for (size_t t = 1; t < file.tiles().size(); ++t) tiles.push_back(file.tiles()[t].columns);
    const std::string end = writer_->End(file.tiles()[0].bytes, tiles);
    file.Commit(end, options_.overwrite);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    return Report(file, std::ssize(end), resumed, seconds);
  }

 private:
  static std::shared_ptr<const Model> OpenVersion(const BatchOptions& options) {
    CheckOutside({options.out}, {ModelStore(options.store).ModelPath(options.model)});
    CheckNewFile(options.out, options.overwrite);
    const ModelStore store(options.store);
    return Model::Open(store, options.model, store.Resolve(options.model, options.version));
  }

  UnknownUsers UnknownPolicy() const { return options_.unknown_users.value_or(UnknownUsers::kPopular); }

  void CheckIds() const {
    CheckTexts(view_.items, "item", format_);
    if (options_.similar_items) return;
    if (options_.users.empty()) return CheckTexts(view_.users, "user", format_);
    for (int64_t i = 0; i < users_.size(); ++i)
      if (!IsUtf8(users_.Id(i)))
        throw Error(ErrorCode::kUnsupported,
                    fmt::format("--users: the id '{}' is not UTF-8, which ids must be for {}; CSV takes it as it is",
                                Printable(users_.Id(i)), ListFileFormatName(format_)));
  }

  int64_t ChosenBatch() const {
    const int64_t n = std::min(options_.n, view_.n_items());
    const int64_t id_bytes = MeanBytes(options_.similar_items ? view_.items : view_.users);
    int64_t n_factors = view_.n_factors();
    for (const ModelView& part : view_.parts) n_factors += part.n_factors();
    const int64_t history = view_.history.nnz() / std::max<int64_t>(view_.n_users(), 1);
    // Lists on the host and on the device, their text in pieces, twice what it is; queries and histories on both.
    const int64_t bytes = n * (16 + 2 * (id_bytes + MeanBytes(view_.items) + 32)) + 8 * n_factors + 24 * history + 64;
    return std::clamp<int64_t>(kTileBytes / bytes, 1, kMaxListsInTile);
  }

  /// All that decides the file's bytes.
  json Settings() const {
    json settings = {{"model", model_->name()},
                     {"version", model_->version()},
                     {"digest", model_->digest()},
                     {"format", ListFileFormatName(format_)},
                     {"packing", PackingName(PackingOf(options_.out))},
                     {"n", options_.n},
                     {"lists", options_.similar_items   ? "similar items"
                               : options_.users.empty() ? "all users"
                                                        : "users"},
                     {"with_scores", options_.with_scores},
                     {"batch", tile_lists_}};
    if (options_.min_score) settings["min_score"] = *options_.min_score;
    if (eligible_) {
      const auto* const words = reinterpret_cast<const char*>(eligible_->words.data());
      settings["filter"] = options_.filter;
      settings["eligible_sha256"] = Sha256({words, static_cast<size_t>(eligible_->bytes())});
    }
    if (options_.similar_items) {
      settings["device"] = working_.Bits();
      return settings;
    }
    settings["include_seen"] = options_.include_seen;
    settings["with_probabilities"] = options_.with_probabilities;
    if (options_.users.empty()) return settings;
    settings["users_sha256"] = users_.sha256();
    settings["unknown_users"] = UnknownUsersName(UnknownPolicy());
    return settings;
  }

  const char* Unit() const { return options_.similar_items ? "items" : "users"; }

  std::string Doing(int64_t resumed) const {
    return fmt::format("recommending {} items each to {} {} of {} version {} on {}, {} at a time{}", options_.n,
                       n_lists_, Unit(), model_->name(), model_->version(), working_.Text(), tile_lists_,
                       resumed > 0 ? fmt::format(", from {} on", resumed) : "");
  }

  void WriteHead(ResumableFile& file) const {
    const std::string head = writer_->Head();
    const std::string_view piece = head;
    WrittenTile tile;
    tile.bytes = std::ssize(head);
    file.Append({&piece, 1}, std::move(tile));
  }

  void WriteTile(Context& context, const Ranker& ranker, ResumableFile& file) {
    if (const std::string why = events_.stop ? events_.stop() : ""; !why.empty())
      throw Error(ErrorCode::kIo, fmt::format("stopped by {} after {} of {} {}; the same command with --resume goes on",
                                              why, done_, n_lists_, Unit()));
    const int64_t n = std::min(tile_lists_, n_lists_ - done_);
    WrittenTile tile;
    tile.n_lists = n;
    const std::vector<ListPiece> pieces = Encode(Rank(context, ranker, n, tile), n);
    std::vector<std::string_view> bytes;
    const auto n_columns = static_cast<size_t>(writer_->n_columns());
    tile.columns.packed_bytes.resize(n_columns);
    tile.columns.unpacked_bytes.resize(n_columns);
    for (size_t c = 0; c < n_columns; ++c)
      for (const ListPiece& piece : pieces) {
        bytes.push_back(piece.columns[c]);
        tile.columns.packed_bytes[c] += std::ssize(piece.columns[c]);
        tile.columns.unpacked_bytes[c] += piece.unpacked_bytes[c];
      }
    for (const std::string_view piece : bytes) tile.bytes += std::ssize(piece);
    file.Append(bytes, std::move(tile));
    done_ += n;
    if (events_.progress) events_.progress(done_, n_lists_);
  }

  struct Tile {
    RankedLists lists;
    std::vector<ListSource> sources;  // of users
  };

  /// The lists of the next n, cut where scores are too low; counts them.
  Tile Rank(Context& context, const Ranker& ranker, int64_t n, WrittenTile& written) {
    Tile tile;
    std::vector<int32_t> of(static_cast<size_t>(n));
    const RankOptions rank = {eligible_, true};
    if (options_.similar_items) {
      std::iota(of.begin(), of.end(), static_cast<int32_t>(done_));
      tile.lists = ranker.Similar(context, of, std::min(options_.n, view_.n_items()), rank);
    } else {
      for (int64_t i = 0; i < n; ++i) {
        of[static_cast<size_t>(i)] = users_.User(done_ + i);
        tile.sources.push_back(ListSourceOf(view_, of[static_cast<size_t>(i)]));
        ++written.sources[static_cast<size_t>(tile.sources.back())];
      }
      tile.lists = RankUsers(context, ranker, of, {options_.n, options_.include_seen, rank});
    }
    for (const TopNCost& cost : tile.lists.costs) n_scanned_ += cost.scanned, n_rescored_ += cost.rescored;
    for (size_t place = 0; options_.min_score && place < tile.lists.items.size(); ++place)
      if (tile.lists.scores[place] < *options_.min_score) tile.lists.items[place] = -1;
    written.columns.n_rows = std::ranges::count_if(tile.lists.items, [](int32_t item) { return item >= 0; });
    return tile;
  }

  std::vector<ListPiece> Encode(const Tile& tile, int64_t n) {
    const int64_t in_piece = std::max<int64_t>(kRowsInPiece / options_.n, 1), n_pieces = (n + in_piece - 1) / in_piece;
    std::vector<ListPiece> pieces(static_cast<size_t>(n_pieces));
    const bool similar = view_.has_factors() && !view_.has_lists();
    pool_.Run(n_pieces, pool_.n_threads(), [&](int64_t p, int) {
      std::vector<WrittenList> lists;
      for (int64_t i = p * in_piece; i < std::min(n, (p + 1) * in_piece); ++i) {
        WrittenList& list = lists.emplace_back();
        list.items = tile.lists.Items(i);
        list.scores = tile.lists.Scores(i);
        if (options_.similar_items) {
          list.id = view_.items.Id(done_ + i);
          list.served_by = similar ? "similar" : "popular";
        } else {
          const bool is_personal = IsPersonal(tile.sources[static_cast<size_t>(i)]);
          list.id = users_.Id(done_ + i);
          list.served_by = is_personal ? "personal" : "popular";
          list.has_probabilities = is_personal;
        }
      }
      pieces[static_cast<size_t>(p)] = writer_->Piece(lists);
    });
    return pieces;
  }

  json Report(const ResumableFile& file, int64_t end_bytes, int64_t resumed, double seconds) const {
    int64_t rows = 0, bytes = end_bytes;
    json sources = json::object();
    for (const WrittenTile& tile : file.tiles()) {
      rows += tile.columns.n_rows;
      bytes += tile.bytes;
      for (size_t s = 0; s < tile.sources.size(); ++s) {
        if (tile.sources[s] == 0) continue;
        json& count = sources[ListSourceName(static_cast<ListSource>(s))];
        count = count.is_null() ? tile.sources[s] : count.get<int64_t>() + tile.sources[s];
      }
    }
    json report = {{"model", model_->name()},
                   {"version", model_->version()},
                   {"algorithm", view_.algorithm},
                   {"out", options_.out},
                   {"format", ListFileFormatName(format_)},
                   {"bytes", bytes},
                   {"n", options_.n},
                   {"lists", n_lists_},
                   {"of", Unit()},
                   {"items_written", rows},
                   {"n_resumed", resumed},
                   {"seconds", seconds},
                   {"lists_per_second", static_cast<double>(n_lists_ - resumed) / std::max(seconds, 1e-9)},
                   {"backend", working_.Describe()}};
    if (eligible_) report["eligible_items"] = eligible_->n_set;
    report["items_scanned"] = n_scanned_;
    report["items_rescored"] = n_rescored_;
    if (!working_.fell_back().empty()) report["fell_back"] = working_.fell_back();
    if (options_.similar_items) return report;
    report["answered_by"] = std::move(sources);
    if (options_.users.empty()) return report;
    report["users"] = {{"repeated", users_.n_repeated()},
                       {"unknown", users_.n_unknown()},
                       {"unknown_users", UnknownUsersName(UnknownPolicy())}};
    if (users_.n_unknown() > 0) report["users"]["first_unknown"] = Printable(users_.first_unknown());
    return report;
  }

  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  const BatchOptions& options_;
  const BatchEvents& events_;
  const ListFileFormat format_;
  WorkingBackend working_;
  const std::shared_ptr<const Model> model_;
  const ModelView& view_;
  const ListedUsers users_;
  const int64_t n_lists_;
  const std::shared_ptr<const ItemBits> eligible_;
  ThreadPool pool_;
  std::unique_ptr<ListFormat> writer_;
  int64_t tile_lists_ = 0;
  int64_t done_ = 0;                        // lists that are in the file
  int64_t n_scanned_ = 0, n_rescored_ = 0;  // by this run
};

}  // namespace

json RecommendToFile(const BatchOptions& options, const BatchEvents& events) {
  CheckOptions(options);
  return BatchRun(options, events).Run();
}

}  // namespace kindred
