#include "common/config/section/section.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/base/text.h"
#include "common/config/document/values.h"

namespace postwain::config {

void Context::error(const Origin& at, std::string message) {
  diagnostics.push_back(Diagnostic{at, std::move(message)});
}

void Context::warn(const Origin& at, std::string message) {
  warnings.push_back(Diagnostic{at, std::move(message)});
}

std::string resolve_path(const std::string& directory, const std::string& path) {
  return path.empty() || path.front() == '/' ? path : directory + path;
}

Section::Section(Context& context, const Node& table, std::string title)
    : context_(context), table_(table), title_(std::move(title)) {}

std::string Section::place() const {
  return title_.empty() ? "" : " in " + title_;
}

const Node* Section::find(std::string_view key) {
  if (std::find(known_.begin(), known_.end(), key) == known_.end()) known_.emplace_back(key);
  const Entry* entry = table_.find(key);
  if (entry == nullptr) return nullptr;
  bool repeated = title_.compare(0, 2, "[[") == 0;
  context_.origins.emplace(fmt::format("{} {}", repeated ? table_.origin.text() : title_, key),
                           entry->value.origin);
  return &entry->value;
}

const Node* Section::find(std::string_view key, Node::Kind kind) {
  const Node* node = find(key);
  if (node == nullptr || node->kind == kind) return node;
  error(*node, fmt::format("{} must be {}, not {}", key, name_of(kind), name_of(node->kind)));
  return nullptr;
}

const Origin& Section::origin_of(std::string_view key) const {
  const Entry* entry = table_.find(key);
  return entry == nullptr ? table_.origin : entry->value.origin;
}

void Section::error(const Node& at, std::string message) {
  context_.error(at.origin, std::move(message));
}

void Section::warn(const Node& at, std::string message) {
  context_.warn(at.origin, std::move(message));
}

bool Section::text(std::string_view key, std::string& out) {
  const Node* node = find(key, Node::Kind::string);
  if (node == nullptr) return false;
  if (node->text.empty()) {
    error(*node, fmt::format("{} is empty", key));
    return false;
  }
  if (node->text.find_first_of(std::string_view("\0\r\n", 3)) != std::string::npos) {
    error(*node, fmt::format("{} holds a control character", key));
    return false;
  }
  out = node->text;
  return true;
}

bool Section::boolean(std::string_view key, bool& out) {
  const Node* node = find(key, Node::Kind::boolean);
  if (node != nullptr) out = node->boolean;
  return node != nullptr;
}

std::optional<Duration> checked_duration(Context& context, const Node& node, std::string_view what,
                                         Duration min, Duration max) {
  auto fail = [&](std::string message) -> std::optional<Duration> {
    context.error(node.origin, std::move(message));
    return std::nullopt;
  };
  if (node.kind != Node::Kind::string)
    return fail(fmt::format("{} must be a duration like \"5m\", not {}", what, name_of(node.kind)));
  auto value = parse_duration(node.text);
  if (!value)
    return fail(fmt::format("{}: '{}' is not a duration (such as 500ms, 10s, 5m, 2h, 3d)", what,
                            printable(node.text)));
  if (*value < min)
    return fail(
        fmt::format("{}: {} is too short, at least {}", what, node.text, format_duration(min)));
  if (*value > max)
    return fail(
        fmt::format("{}: {} is too long, at most {}", what, node.text, format_duration(max)));
  return value;
}

bool Section::duration(std::string_view key, Duration& out, Duration min, Duration max) {
  const Node* node = find(key);
  if (node == nullptr) return false;
  auto value = checked_duration(context_, *node, key, min, max);
  if (value) out = *value;
  return value.has_value();
}

bool Section::size(std::string_view key, std::uint64_t& out, Range range) {
  const Node* node = find(key);
  if (node == nullptr) return false;
  std::optional<std::uint64_t> value;
  if (node->kind == Node::Kind::string) value = parse_size(node->text);
  if (node->kind == Node::Kind::integer && node->integer >= 0)
    value = static_cast<std::uint64_t>(node->integer);
  if (!value) {
    error(*node, fmt::format("{} must be a size in bytes or like \"100KiB\", \"50MiB\"{}", key,
                             node->kind == Node::Kind::string
                                 ? fmt::format(", not '{}'", printable(node->text))
                                 : ""));
    return false;
  }
  if (*value < range.min || *value > range.max) {
    error(*node, fmt::format("{} must be between {} and {} bytes", key, range.min, range.max));
    return false;
  }
  out = *value;
  return true;
}

bool Section::whole_number(std::string_view key, std::uint64_t& out, Range range) {
  const Node* node = find(key, Node::Kind::integer);
  if (node == nullptr) return false;
  if (node->integer < 0 || static_cast<std::uint64_t>(node->integer) < range.min ||
      static_cast<std::uint64_t>(node->integer) > range.max) {
    error(*node, fmt::format("{} must be between {} and {}, not {}", key, range.min, range.max,
                             node->integer));
    return false;
  }
  out = static_cast<std::uint64_t>(node->integer);
  return true;
}

void Section::not_a_choice(std::string_view key, const Node& node,
                           const std::vector<std::string_view>& names) {
  error(node, fmt::format("{} must be one of {}, not '{}'", key, fmt::join(names, ", "),
                          printable(node.text)));
}

bool Section::rate(std::string_view key, Rate& out) {
  const Node* node = find(key, Node::Kind::string);
  if (node == nullptr) return false;
  Rate given;
  if (node->text != "none" && !parse_rate(node->text, given.count, given.period)) {
    error(*node, fmt::format("'{}' is not a rate (such as 10/min, 100/hour, 500/day) or none",
                             printable(node->text)));
    return false;
  }
  out = given;
  return true;
}

std::vector<const Node*> Section::texts(std::string_view key, bool or_one) {
  const Node* node = find(key);
  std::vector<const Node*> out;
  if (node == nullptr) return out;
  if (or_one && node->kind == Node::Kind::string) return {node};
  if (node->kind != Node::Kind::array) {
    error(*node, fmt::format("{} must be {}a list of strings, not {}", key,
                             or_one ? "a string or " : "", name_of(node->kind)));
    return out;
  }
  for (const Node& item : node->items) {
    if (item.kind == Node::Kind::string)
      out.push_back(&item);
    else
      error(item, fmt::format("{} holds strings only, not {}", key, name_of(item.kind)));
  }
  return out;
}

const Node* Section::table(std::string_view key) {
  const Node* node = find(key);
  if (node == nullptr || node->kind == Node::Kind::table) return node;
  if (node->is_array_of_tables())
    error(*node, fmt::format("there is only one [{0}]: write [{0}], not [[{0}]]", key));
  else
    error(*node, fmt::format("{0} must be a table [{0}], not {1}", key, name_of(node->kind)));
  return nullptr;
}

const Node* Section::table(std::string_view key, std::string_view example) {
  const Node* node = find(key);
  if (node == nullptr || node->kind == Node::Kind::table) return node;
  error(*node, fmt::format("{0} must be a table with keys of its own, not {1}; for example: "
                           "{0} = {2}",
                           key, name_of(node->kind), example));
  return nullptr;
}

std::vector<const Node*> Section::tables(std::string_view key) {
  const Node* node = find(key);
  std::vector<const Node*> out;
  if (node == nullptr) return out;
  if (node->is_array_of_tables()) {
    for (const Node& item : node->items) out.push_back(&item);
  } else if (node->kind != Node::Kind::array || !node->items.empty()) {
    error(*node, fmt::format("{0} must be written with two brackets: [[{0}]]", key));
  }
  return out;
}

void Section::missing(std::string_view key) {
  context_.error(table_.origin, fmt::format("{} is missing{}", key, place()));
}

void Section::finish() {
  for (const Entry& entry : table_.entries) {
    if (std::find(known_.begin(), known_.end(), entry.key) != known_.end()) continue;
    const std::string* nearest = nullptr;
    std::size_t best = 0;
    for (const std::string& name : known_) {
      std::size_t distance = edit_distance(to_lower(entry.key), name);
      if (nearest == nullptr || distance < best) {
        nearest = &name;
        best = distance;
      }
    }
    bool table = entry.value.kind == Node::Kind::table || entry.value.is_array_of_tables();
    std::string message =
        fmt::format("unknown {} '{}'{}", table ? "table" : "key", printable(entry.key), place());
    // A guess that changes most of the word is no help; then all that would be right is shown.
    if (nearest != nullptr && best <= std::max<std::size_t>(2, entry.key.size() / 3))
      message += fmt::format(", did you mean '{}'?", *nearest);
    else
      message += fmt::format(" (known: {})", fmt::join(known_, ", "));
    context_.error(entry.origin, std::move(message));
  }
}

}  // namespace postwain::config
