#include "training/batch_recommend.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

#include "host/conditions/filter.h"
#include "host/expression/syntax.h"
#include "host/intake/unpacker.h"
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

constexpr int64_t kRowsInPiece = int64_t{1} << 15, kBytesInPiece = int64_t{1} << 22;
/// What a row has beside its ids, in any format.
constexpr int64_t kRowBytes = 32;

ListFileFormat FormatOf(const BatchOptions& options) {
  const auto format = options.format.empty() ? ListFileFormatOf(options.out) : ListFileFormatNamed(options.format);
  if (!format)
    throw Error(ErrorCode::kUsage,
                fmt::format("--out '{}': its name says no format; expected .csv, .jsonl or .parquet, "
                            "with .gz or .zst behind the first two, or --format",
                            Printable(options.out, 400)));
  if (const std::string_view name = WithoutPacking(options.out);
      format == ListFileFormat::kParquet && name.size() < options.out.size())
    throw Error(ErrorCode::kUsage,
                fmt::format("--out '{}': Parquet is compressed inside, with zstd; expected a name without {}",
                            Printable(options.out, 400), options.out.substr(name.size())));
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

/// What Parquet and JSON ask of texts: id(0), ..., id(n - 1). `what` is "user" or "item".
template <class Id>
void CheckTexts(int64_t n, const Id& id, const char* what, ListFileFormat format) {
  for (int64_t i = 0; i < n; ++i)
    if (!IsUtf8(id(i)))
      throw Error(ErrorCode::kUnsupported,
                  fmt::format("{} {}: its id '{}' is not UTF-8, which ids must be for {}; CSV takes it as it is", what,
                              i, Printable(id(i)), ListFileFormatName(format)));
}

/// Whether a filter, which may be none, names what lists in a file have not.
bool AsksForUsersOrContext(const std::string& filter) try {
  return std::ranges::any_of(Parse(filter).nodes, [](const Node& node) {
    return node.kind == NodeKind::kAttribute && (node.name.starts_with("user.") || node.name.starts_with("context."));
  });
} catch (const Error&) {
  return false;
}

/// When a filter's now() is: of a run that goes on, what it was for the lists that are there. In unix seconds.
int64_t FilterTime(const BatchOptions& options) {
  if (options.resume && !options.filter.empty())
    if (const json settings = ResumableFile::SettingsOf(options.out); settings.is_object())
      if (const auto time = settings.find("filter_time"); time != settings.end() && time->is_number_integer())
        return time->get<int64_t>();
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(now).count();
}

/// The items that a filter lets through at this time; null for no filter.
std::shared_ptr<const ItemBits> EligibleItems(const std::string& filter, int64_t time, const ModelView& model) {
  if (filter.empty()) return nullptr;
  try {
    const auto items = ItemTable::From(model.item_columns, nullptr);
    const AttributeTable no_users;
    return std::make_shared<const ItemBits>(
        Filter::Compile(filter, *items, no_users, {}).Evaluate(*items, no_users, {.now = time}));
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("--filter: {}{}", error.what(),
                                          AsksForUsersOrContext(filter)
                                              ? "\n(one filter is for all lists: it has attributes of items, and "
                                                "neither user. nor context.)"
                                              : ""));
  }
}

/// The bytes of the n longest ids: no list of n different ones has more.
int64_t LongestBytes(const IdMap& ids, int64_t n) {
  std::vector<uint32_t> bytes;
  bytes.reserve(static_cast<size_t>(ids.size()));
  for (int64_t i = 0; i < ids.size(); ++i) bytes.push_back(static_cast<uint32_t>(ids.Id(i).size()));
  const auto end = bytes.begin() + std::min(n, ids.size());
  std::nth_element(bytes.begin(), end, bytes.end(), std::greater<>());
  return std::accumulate(bytes.begin(), end, int64_t{0});
}

/// A model on a backend.
struct Ranking {
  Ranking(Backend& backend, const ModelView& model, std::shared_ptr<const void> keep)
      : ranker(backend, model, std::move(keep)), context(backend.NewContext()) {}

  Ranker ranker;
  std::unique_ptr<Context> context;
};

class BatchRun {
 public:
  BatchRun(const BatchOptions& options, const BatchEvents& events)
      : options_(options),
        events_(events),
        format_(FormatOf(options)),
        packing_(PackingOf(options.out)),
        working_(options.backend, options.n_threads, GramPrecision::kBf16x3, events.warning),
        model_(OpenVersion(options)),
        view_(model_->view()),
        users_(options.users.empty() ? ListedUsers(view_) : ListedUsers(view_, options.users, UnknownPolicy())),
        n_lists_(options.similar_items ? view_.n_items() : users_.size()),
        filter_time_(FilterTime(options)),
        eligible_(EligibleItems(options.filter, filter_time_, view_)),
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
    writer_ = NewListFormat(format_, std::move(content), packing_);
  }

  json Run() {
    SetListBytes();
    const json settings = Settings();
    const std::string head = writer_->Head();
    const TileShape shape = {writer_->n_columns(), std::ssize(head)};
    std::optional<ResumableFile> file(options_.resume
                                          ? ResumableFile::Resume(options_.out, settings, shape, options_.overwrite)
                                          : ResumableFile::Start(options_.out, settings, options_.overwrite));
    for (const WrittenTile& tile : file->tiles()) done_ += tile.n_lists;
    if (done_ > n_lists_)
      throw Error(ErrorCode::kCorrupt, fmt::format("'{}.journal' names {} lists of {}", options_.out, done_, n_lists_));
    const int64_t resumed = done_;
    if (events_.stage) events_.stage(Doing(resumed));
    if (file->tiles().empty()) WriteHead(head, *file);
    while (done_ < n_lists_) {
      CheckStop();
      Tile tile = Ranked(TileEnd() - done_);
      if (done_ == 0 && is_of_one_device() && working_.Bits() != settings["device"]) {  // it fell back
        file.reset();                                                                   // its lock goes
        file.emplace(ResumableFile::Start(options_.out, Settings(), true));
        WriteHead(head, *file);
      }
      WriteTile(std::move(tile), *file);
    }
    std::vector<TileColumns> tiles;
    for (size_t t = 1; t < file->tiles().size(); ++t) tiles.push_back(file->tiles()[t].columns);
    const std::string end = writer_->End(std::ssize(head), tiles);
    file->Commit(end, options_.overwrite);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    return Report(*file, std::ssize(end), resumed, seconds);
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
    CheckTexts(
        view_.items.size(), [&](int64_t i) { return view_.items.Id(i); }, "item", format_);
    if (options_.similar_items) return;
    CheckTexts(
        users_.size(), [&](int64_t i) { return users_.Id(i); }, options_.users.empty() ? "user" : "--users: user",
        format_);
  }

  /// Whether the bits of lists depend on the device: of similar items, which the parts of a blend may solve for.
  bool is_of_one_device() const { return options_.similar_items && !view_.parts.empty(); }

  void SetListBytes() {
    const int64_t n = std::min(options_.n, view_.n_items());
    int64_t n_factors = view_.n_factors();
    for (const ModelView& part : view_.parts) n_factors += part.n_factors();
    // Lists on the host and on the device, their text in pieces, twice what it is; the query on both.
    list_bytes_ = n * (16 + 2 * kRowBytes) + 2 * LongestBytes(view_.items, n) + 8 * n_factors + 64;
    id_bytes_ = 2 * n;
  }

  /// What list i takes while its tile is made.
  int64_t ListBytes(int64_t i) const {
    const int32_t user = options_.similar_items ? -1 : users_.User(i);
    const int64_t history = user < 0 ? 0 : std::ssize(view_.history.row(user));  // on the host and on the device
    return list_bytes_ + id_bytes_ * std::ssize(IdOf(i)) + 24 * history;
  }

  /// Where the tile ends that begins with the next list. It depends on nothing that is done by then.
  int64_t TileEnd() const {
    const int64_t most = std::min(n_lists_, done_ + (options_.batch > 0 ? options_.batch : kMaxListsInTile));
    if (options_.batch > 0) return most;
    int64_t end = done_ + 1;
    for (int64_t bytes = ListBytes(done_); end < most; ++end)
      if ((bytes += ListBytes(end)) > kTileBytes) break;
    return end;
  }

  /// All that decides the file's bytes.
  json Settings() const {
    json settings = {{"model", model_->name()},
                     {"version", model_->version()},
                     {"digest", model_->digest()},
                     {"format", ListFileFormatName(format_)},
                     {"packing", PackingName(packing_)},
                     {"n", options_.n},
                     {"lists", options_.similar_items   ? "similar items"
                               : options_.users.empty() ? "all users"
                                                        : "users"},
                     {"with_scores", options_.with_scores},
                     {"batch", options_.batch}};
    if (options_.min_score) settings["min_score"] = *options_.min_score;
    if (eligible_) {
      const auto* const words = reinterpret_cast<const char*>(eligible_->words.data());
      settings["filter"] = options_.filter;
      settings["filter_time"] = filter_time_;
      settings["eligible_sha256"] = Sha256({words, static_cast<size_t>(eligible_->bytes())});
    }
    if (is_of_one_device()) settings["device"] = working_.Bits();
    if (options_.similar_items) return settings;
    settings["include_seen"] = options_.include_seen;
    settings["with_probabilities"] = options_.with_probabilities;
    if (options_.users.empty()) return settings;
    settings["users_sha256"] = users_.sha256();
    settings["unknown_users"] = UnknownUsersName(UnknownPolicy());
    return settings;
  }

  const char* Unit() const { return options_.similar_items ? "items" : "users"; }

  std::string Doing(int64_t resumed) const {
    return fmt::format("recommending {} items each to {} {} of {} version {} on {}{}{}", options_.n, n_lists_, Unit(),
                       model_->name(), model_->version(), working_.Text(),
                       options_.batch > 0 ? fmt::format(", {} at a time", options_.batch) : "",
                       resumed > 0 ? fmt::format(", from {} on", resumed) : "");
  }

  void CheckStop() const {
    if (const std::string why = events_.stop ? events_.stop() : ""; !why.empty())
      throw Error(ErrorCode::kIo, fmt::format("stopped by {} after {} of {} {}; the same command with --resume goes on",
                                              why, done_, n_lists_, Unit()));
  }

  static void WriteHead(const std::string& head, ResumableFile& file) {
    const std::string_view piece = head;
    WrittenTile tile;
    tile.bytes = std::ssize(head);
    file.Append({&piece, 1}, std::move(tile));
  }

  struct Tile {
    RankedLists lists;
    std::vector<ListSource> sources;  // of users
    WrittenTile written;              // but for its bytes
  };

  /// The lists of the next n, on the CPU where the device fails and may: for lists of one device before the first.
  Tile Ranked(int64_t n) {
    if (is_of_one_device() && done_ > 0) working_.Stay();
    return working_.Run("recommending", [&](Backend& backend) {
      try {
        if (!ranking_) ranking_.emplace(backend, view_, model_);
        return Rank(n);
      } catch (const Error& error) {
        ranking_.reset();  // before the backend goes
        if (working_.may_fall_back() || !IsOfDevice(error) || done_ == 0) throw;
        throw Error(
            error.code(),
            fmt::format("{}; after {} of {} {}, the same command with --resume goes on{}", error.what(), done_,
                        n_lists_, Unit(), is_of_one_device() ? " on that device, and --overwrite begins anew" : ""));
      }
    });
  }

  /// The lists of the next n, cut where scores are too low; counts them.
  Tile Rank(int64_t n) {
    Tile tile;
    tile.written.n_lists = n;
    std::vector<int32_t> of(static_cast<size_t>(n));
    const RankOptions rank = {eligible_, true};
    if (options_.similar_items) {
      std::iota(of.begin(), of.end(), static_cast<int32_t>(done_));
      tile.lists = ranking_->ranker.Similar(*ranking_->context, of, std::min(options_.n, view_.n_items()), rank);
    } else {
      for (int64_t i = 0; i < n; ++i) {
        of[static_cast<size_t>(i)] = users_.User(done_ + i);
        tile.sources.push_back(ListSourceOf(view_, of[static_cast<size_t>(i)]));
        ++tile.written.sources[static_cast<size_t>(tile.sources.back())];
      }
      tile.lists = RankUsers(*ranking_->context, ranking_->ranker, of, {options_.n, options_.include_seen, rank});
    }
    for (const TopNCost& cost : tile.lists.costs) n_scanned_ += cost.scanned, n_rescored_ += cost.rescored;
    for (size_t place = 0; options_.min_score && place < tile.lists.items.size(); ++place)
      if (tile.lists.scores[place] < *options_.min_score) tile.lists.items[place] = -1;
    tile.written.columns.n_rows = std::ranges::count_if(tile.lists.items, [](int32_t item) { return item >= 0; });
    return tile;
  }

  std::string_view IdOf(int64_t list) const { return options_.similar_items ? view_.items.Id(list) : users_.Id(list); }

  /// Where its pieces begin, and the end of the last: lists of kRowsInPiece rows or kBytesInPiece together, or one.
  std::vector<int64_t> PieceBounds(const Tile& tile) const {
    std::vector<int64_t> bounds = {0};
    int64_t rows = 0, bytes = 0;
    for (int64_t i = 0; i < tile.written.n_lists; ++i) {
      const std::span<const int32_t> items = tile.lists.Items(i);
      const int64_t n = std::max<int64_t>(std::ssize(items), 1);
      int64_t list_bytes = n * (std::ssize(IdOf(done_ + i)) + kRowBytes);
      for (const int32_t item : items) list_bytes += std::ssize(view_.items.Id(item));
      if (i > bounds.back() && (rows + n > kRowsInPiece || bytes + list_bytes > kBytesInPiece)) {
        bounds.push_back(i);
        rows = bytes = 0;
      }
      rows += n;
      bytes += list_bytes;
    }
    bounds.push_back(tile.written.n_lists);
    return bounds;
  }

  std::vector<ListPiece> Encode(const Tile& tile) {
    const std::vector<int64_t> bounds = PieceBounds(tile);
    std::vector<ListPiece> pieces(bounds.size() - 1);
    const bool similar = view_.has_factors() && !view_.has_lists();
    pool_.Run(std::ssize(pieces), pool_.n_threads(), [&](int64_t p, int) {
      const auto place = static_cast<size_t>(p);
      std::vector<WrittenList> lists;
      for (int64_t i = bounds[place]; i < bounds[place + 1]; ++i) {
        WrittenList& list = lists.emplace_back();
        list.id = IdOf(done_ + i);
        list.items = tile.lists.Items(i);
        list.scores = tile.lists.Scores(i);
        if (options_.similar_items) {
          list.served_by = similar ? "similar" : "popular";
        } else {
          const bool is_personal = IsPersonal(tile.sources[static_cast<size_t>(i)]);
          list.served_by = is_personal ? "personal" : "popular";
          list.has_probabilities = is_personal;
        }
      }
      pieces[place] = writer_->Piece(lists);
    });
    return pieces;
  }

  void WriteTile(Tile tile, ResumableFile& file) {
    const std::vector<ListPiece> pieces = Encode(tile);
    std::vector<std::string_view> bytes;
    const auto n_columns = static_cast<size_t>(writer_->n_columns());
    WrittenTile& written = tile.written;
    written.columns.packed_bytes.resize(n_columns);
    written.columns.unpacked_bytes.resize(n_columns);
    for (size_t c = 0; c < n_columns; ++c)
      for (const ListPiece& piece : pieces) {
        bytes.push_back(piece.columns[c]);
        written.columns.packed_bytes[c] += std::ssize(piece.columns[c]);
        written.columns.unpacked_bytes[c] += piece.unpacked_bytes[c];
      }
    for (const std::string_view piece : bytes) written.bytes += std::ssize(piece);
    done_ += written.n_lists;
    file.Append(bytes, std::move(written));
    if (events_.progress) events_.progress(done_, n_lists_);
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
  const Packing packing_;
  WorkingBackend working_;
  const std::shared_ptr<const Model> model_;
  const ModelView& view_;
  const ListedUsers users_;
  const int64_t n_lists_;
  const int64_t filter_time_;
  const std::shared_ptr<const ItemBits> eligible_;
  ThreadPool pool_;
  std::unique_ptr<ListFormat> writer_;
  std::optional<Ranking> ranking_;          // on the backend of working_
  int64_t list_bytes_ = 0, id_bytes_ = 0;   // of a list, and more for each byte of its id
  int64_t done_ = 0;                        // lists that are in the file
  int64_t n_scanned_ = 0, n_rescored_ = 0;  // by this run
};

}  // namespace

json RecommendToFile(const BatchOptions& options, const BatchEvents& events) {
  CheckOptions(options);
  return BatchRun(options, events).Run();
}

}  // namespace kindred
