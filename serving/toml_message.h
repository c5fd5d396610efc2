// A table of TOML as a message of the API: keys are the names of its fields.
#pragma once

#include <google/protobuf/message.h>

#include <functional>

#include "host/text/toml_table.h"

namespace kindred {

/// Called with each field that is set, and where its value stands.
using OnTomlField =
    std::function<void(const google::protobuf::FieldDescriptor& field, const toml::node& node, const TomlPlace& place)>;

/// Sets the fields that the table has. Lists are arrays, maps and messages are tables, google.protobuf.Value is what it
/// stands for, and an event exclusion may be a text, as ParseEventExclusion reads it.
/// Throws kUsage with the place of a key that is no field, naming the nearest, and of a value that is not of its type.
void ReadTomlMessage(const toml::table& table, const TomlPlace& place, google::protobuf::Message* message,
                     const OnTomlField& on_field);

}  // namespace kindred
