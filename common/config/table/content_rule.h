// [[content_rule]]: what header fields and bodies may not say, or what follows when they do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/config/table/filter.h"

namespace postwain::config {

// What all rules together are called among the filters, in the log and in what operators see.
constexpr std::string_view kContentRulesName = "content_rules";
constexpr std::size_t kContentRulesMax = 200;
constexpr std::uint64_t kContentDepthMax = 10U << 20;

// Where its pattern is looked for: in a field of the header section, in the header section of a
// part (and in the MIME fields of the message itself), or in a line of the body.
enum class ContentPlace : std::uint8_t { header, part, body };

enum class ContentAction : std::uint8_t {
  refuse,    // 550, text
  defer,     // 451, text
  hold,      // text: why
  discard,   // the client hears that its mail is taken, and nobody gets it
  prepend,   // value: a field that is put in front of the header section
  redirect,  // value: the address that gets it instead of all recipients
  bcc,       // value: an address that gets it as well
  remove,    // the field that matches
  replace,   // value: what the field that matches says instead
  warn,      // nothing but a line in the log
};
constexpr std::size_t kContentActions = 10;
// The word of the configuration.
std::string_view name_of(ContentAction action);

struct ContentRule {
  std::string name;  // may be empty
  ContentPlace place = ContentPlace::header;
  std::string field;    // of header and part; "*": any
  std::string pattern;  // common/pattern, which check and the process that uses it compile
  Origin pattern_origin;
  ContentAction action = ContentAction::refuse;
  std::string text;
  std::string value;
  std::uint64_t depth = 51'200;             // octets of the body that are looked at
  std::vector<std::string> on = {"world"};  // as of Filter
  FilterMode mode = FilterMode::enforce;
  Origin origin;

  bool is_on(const Listener& listener) const { return config::is_on(on, listener); }
  // In logs and in what operators see: its name, or where it stands.
  std::string shown_name() const { return name.empty() ? origin.text() : name; }
};

}  // namespace postwain::config
