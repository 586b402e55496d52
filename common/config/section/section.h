// Reading one table of the configuration: every key that is asked for becomes a known key, finish()
// reports the others with the nearest known one. All messages about types and ranges come from
// here, so they read alike. It does not know what a key means (sections.h).
#pragma once

#include <functional>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/rate_table.h"
#include "common/base/time.h"
#include "common/config/document/node.h"
#include "common/config/named_file.h"

namespace postwain::config {

// What all sections share while one configuration is read.
struct Context {
  std::string directory;  // of the main file, "" or ending in '/'
  // Content of a file the configuration names, path as written. Nothing: it cannot be read and has
  // been reported, or this process was not given it.
  std::function<std::optional<std::string>(const NamedFile& file, const Origin& named_at)> read;
  std::vector<Diagnostic> diagnostics;
  std::vector<Diagnostic> warnings;
  std::map<std::string, Origin> origins;  // Config::origins

  void error(const Origin& at, std::string message);
  void warn(const Origin& at, std::string message);
};

// A relative path of the configuration means: beside the main file.
std::string resolve_path(const std::string& directory, const std::string& path);

struct Range {
  std::uint64_t min = 0;
  std::uint64_t max = 0;
};

class Section {
 public:
  // title: as a person writes it, "[limits]", "[[route]]"; "" is the top of the file.
  Section(Context& context, const Node& table, std::string title);

  // Marks the key as known; its value, when it stands in the file.
  const Node* find(std::string_view key);
  // The same, and reports a value of another kind.
  const Node* find(std::string_view key, Node::Kind kind);

  // Each of these leaves `out` alone when the key is absent or wrong; true when it was set.
  bool text(std::string_view key, std::string& out);
  bool boolean(std::string_view key, bool& out);
  bool duration(std::string_view key, Duration& out, Duration min, Duration max);
  bool size(std::string_view key, std::uint64_t& out, Range range);
  bool rate(std::string_view key, Rate& out);  // "100/min", or "none": no limit
  template <class Integer>
  bool integer(std::string_view key, Integer& out, Range range) {
    std::uint64_t value = 0;
    if (!whole_number(key, value, range)) return false;
    out = static_cast<Integer>(value);
    return true;
  }
  template <class Enum>
  bool choice(std::string_view key, Enum& out,
              std::initializer_list<std::pair<std::string_view, Enum>> choices) {
    const Node* node = find(key, Node::Kind::string);
    if (node == nullptr) return false;
    std::vector<std::string_view> names;
    for (const auto& [name, value] : choices) {
      names.push_back(name);
      if (node->text != name) continue;
      out = value;
      return true;
    }
    not_a_choice(key, *node, names);
    return false;
  }
  // The strings of a list (or the one string, where `or_one` says that this will do).
  std::vector<const Node*> texts(std::string_view key, bool or_one = false);
  // A table of the file, such as [queue]; nothing when absent.
  const Node* table(std::string_view key);
  // A table within this one; nothing when absent. example: its keys with values, as whoever wrote
  // something else there is shown it: "{ connect = \"5s\", reply = \"30s\" }".
  const Node* table(std::string_view key, std::string_view example);
  // The tables of [[key]].
  std::vector<const Node*> tables(std::string_view key);

  void error(const Node& at, std::string message);
  void warn(const Node& at, std::string message);
  void missing(std::string_view key);  // reports that the table lacks a key it must have
  void finish();                       // after the last key was asked for

  Context& context() { return context_; }
  const Origin& origin() const { return table_.origin; }
  // Where the key's value stands, or the table when the key is absent.
  const Origin& origin_of(std::string_view key) const;

 private:
  bool whole_number(std::string_view key, std::uint64_t& out, Range range);
  void not_a_choice(std::string_view key, const Node& node,
                    const std::vector<std::string_view>& names);
  std::string place() const;  // " in [limits]"

  Context& context_;
  const Node& table_;
  std::string title_;
  std::vector<std::string> known_;
};

// One duration of a list or key, reported when it is none or out of range.
std::optional<Duration> checked_duration(Context& context, const Node& node, std::string_view what,
                                         Duration min, Duration max);

constexpr Duration kDurationMax = std::chrono::hours(24 * 365 * 10);

}  // namespace postwain::config
