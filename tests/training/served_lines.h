// What serving answers, as the lines of a file of lists.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <sstream>
#include <string>
#include <vector>

#include "host/models/model.h"
#include "serving/recommender.h"

namespace kindred {

/// user,position,item,score and, where they are asked for, probability; of a filter that is not empty.
inline std::vector<std::string> ServedLines(Backend& backend, const Model& model, const std::vector<std::string>& users,
                                            int32_t n, bool probabilities, const std::string& filter = "") {
  const Ranker ranker(backend, model.view(), nullptr);
  const auto context = backend.NewContext();
  FilterCache filters(model.view().user_columns);
  const ItemsNow now = {ItemTable::From(model.view().item_columns, nullptr), &filters, 0};
  std::vector<std::string> lines;
  for (const std::string& user : users) {
    RecommendQuery query = {user, {}, n};
    query.conditions.filter = filter;
    const Recommendation served = Recommend(*context, ranker, query, now);
    for (size_t j = 0; j < served.items.size(); ++j) {
      const ScoredItem& item = served.items[j];
      std::string line = fmt::format("{},{},{},{}", user, j + 1, item.item_id, item.score);
      if (probabilities) line += item.probability ? fmt::format(",{}", *item.probability) : ",";
      lines.push_back(line);
    }
  }
  return lines;
}

inline std::vector<std::string> LinesOf(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

inline std::vector<std::string> AllIds(const IdMap& ids) {
  std::vector<std::string> all;
  for (int64_t i = 0; i < ids.size(); ++i) all.emplace_back(ids.Id(i));
  return all;
}

}  // namespace kindred
