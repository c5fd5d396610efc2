#include "training/reader_options.h"

#include <fmt/format.h>

#include <map>
#include <optional>

#include "host/intake/inputs.h"
#include "host/text/text.h"
#include "kernels/error.h"

namespace kindred {
namespace {

const std::map<std::string, Encoding> kEncodings = {
    {"utf-8", Encoding::kUtf8}, {"latin-1", Encoding::kLatin1}, {"bytes", Encoding::kBytes}};

/// One character, or \t. '\0': the format's own.
char Delimiter(const std::string& text) {
  if (text == "\\t" || text == "tab") return '\t';
  return text.empty() ? '\0' : text[0];
}

CLI::Validator IsDelimiter() {
  const auto check = [](const std::string& text) {
    const char c = Delimiter(text);
    const bool ascii = static_cast<unsigned char>(c) < 0x80;
    const bool good = (text.size() <= 1 || c == '\t') && ascii && c != '"' && c != '\n' && c != '\r';
    return good ? std::string() : fmt::format("'{}' is no character that can stand between fields", Printable(text));
  };
  return CLI::Validator(check, "CHARACTER", "delimiter");
}

CLI::Validator IsTimeFormat() {
  const auto check = [](const std::string& text) {
    try {
      const TimeFormat format(text);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  return CLI::Validator(check, "FORM", "time format");
}

InputFormat FormatOfAll(std::span<const std::string> files, const std::string& prefix) {
  std::optional<InputFormat> found;
  for (const std::string& file : files) {
    const std::optional<InputFormat> format = FormatOf(file);
    if (!format)
      throw Error(ErrorCode::kUsage, fmt::format("the name of '{}' does not tell its format: say it with --{}format",
                                                 Printable(file, 4096), prefix));
    if (found && *found != *format)
      throw Error(
          ErrorCode::kUsage,
          fmt::format("'{}' is {} and '{}' is {} by their names; the files of one export have one format "
                      "(--{}format says which)",
                      Printable(files[0], 4096), NameOf(*found), Printable(file, 4096), NameOf(*format), prefix));
    found = format;
  }
  return found.value_or(InputFormat::kCsv);
}

}  // namespace

EventReaderOptions ReaderFlags::Options(std::span<const std::string> files) const {
  EventReaderOptions options = columns;
  if (!format.empty()) options.read.format = ParseInputFormat(format);
  if (format.empty() && options.read.format != InputFormat::kSql) options.read.format = FormatOfAll(files, prefix);
  const bool delimited = options.read.format == InputFormat::kCsv || options.read.format == InputFormat::kTsv;
  if (!delimited && (!delimiter.empty() || no_header))
    throw Error(ErrorCode::kUsage, fmt::format("--{0}delimiter and --{0}no-header are for csv and tsv, not for {1}",
                                               prefix, NameOf(options.read.format)));
  options.read.delimiter = Delimiter(delimiter);
  options.read.header = !no_header;
  options.read.encoding = kEncodings.at(encoding);
  options.number.decimal = decimal[0];
  options.id_format = id_format == "integer" ? IdFormat::kInteger : IdFormat::kText;
  options.time = TimeFormat(time_format);
  return options;
}

void AddReaderFlags(CLI::App& app, const std::string& prefix, ReaderFlags& flags) {
  const auto name = [&](const char* what) { return "--" + prefix + what; };
  const auto column = [&](const char* option, const char* what, std::string& value, const char* otherwise) {
    app.add_option(name(option), value, std::string("its column of ") + what + "s; default " + otherwise);
  };
  flags.prefix = prefix;
  app.add_option(name("format"), flags.format,
                 "csv, tsv, jsonl, adjacency (user item item ...), matrix-market, npz or parquet; default: what the "
                 "files' names end with")
      ->check(CLI::IsMember({"csv", "tsv", "jsonl", "adjacency", "matrix-market", "npz", "parquet"}));
  app.add_option(name("delimiter"), flags.delimiter, "between the fields of csv and tsv; default , or \\t")
      ->check(IsDelimiter());
  app.add_flag(name("no-header"), flags.no_header)
      ->description("the first line of csv and tsv is a row; columns are called 1, 2, ...");
  app.add_option(name("encoding"), flags.encoding, "of text: utf-8, latin-1, or bytes (ids are taken as they are)")
      ->check(CLI::IsMember({"utf-8", "latin-1", "bytes"}));
  app.add_option(name("decimal"), flags.decimal, "the decimal sign of numbers: . or ,")
      ->check(CLI::IsMember({".", ","}));
  app.add_option(name("id-format"), flags.id_format,
                 "text: ids are taken as they are; integer: whole numbers written as 17850.0 are 17850")
      ->check(CLI::IsMember({"text", "integer"}));
  app.add_option(name("time-format"), flags.time_format,
                 "auto (unix seconds or ISO 8601), unix, unix-ms, unix-us, unix-ns, iso8601, or a pattern such as "
                 "'%d/%m/%Y %H:%M'")
      ->check(IsTimeFormat());
  column("user-column", "user", flags.columns.user_column, "user or user_id");
  column("item-column", "item", flags.columns.item_column, "item or item_id");
  column("event-column", "event", flags.columns.event_column, "event, where there is one");
  column("value-column", "value", flags.columns.value_column, "value, where there is one");
  app.add_flag(name("negative-values"), flags.columns.negative_values)
      ->description("values may be negative, as ratings are; otherwise such rows are bad");
  column("time-column", "time", flags.columns.time_column, "time or timestamp, where there is one");
  column("event-id-column", "event id", flags.columns.event_id_column,
         "event_id, where there is one; of events with the same id the first is taken");
}

}  // namespace kindred
