// The files that say which address stands for which others: aliases(5), maps of addresses, and the
// lists an alias includes. Pure: text in, lines out. What a target means is decided in
// section_addresses.cc.
//
//   aliases    name: target, target            name is a local part, may be "quoted"
//   map        address target, target          address: user@domain, @domain
//   list       target, target                  (one or more a line)
//
// A line that begins with a space goes on from the one above; '#' begins a comment line.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace postwain::config {

constexpr std::size_t kAliasTargetsMax = 100'000;  // of one name, or of a list; more is a mistake
constexpr std::size_t kAliasLinesMax = 1'000'000;

enum class AliasStyle { aliases, map, list };

struct AliasTarget {
  enum class Kind {
    address,  // "user", "user@domain", "@domain"
    include,  // ":include:/path": text is the path
    program,  // "|command": nothing we do
    file,     // "/path": the same
  };
  Kind kind = Kind::address;
  std::string text;
  bool final = false;  // "\user": not looked up again
};

struct AliasLine {
  std::string name;  // as written, without quotes; empty in a list
  std::vector<AliasTarget> targets;
  int line = 0;
};

struct AliasText {
  struct Mistake {
    int line;
    std::string message;
  };
  std::vector<AliasLine> lines;
  std::vector<Mistake> mistakes;
};

AliasText parse_alias_text(std::string_view text, AliasStyle style);

}  // namespace postwain::config
