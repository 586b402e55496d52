// Changes to the text of a configuration file that touch nothing but what they are about: a new
// [[dkim_key]] at its end, the value of `signs` of those that are there, and names of keys. All
// other octets stay as they are, comments and line ends among them. Pure. Whether the outcome says
// what it should is for the parser to tell (changed_config.h).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/config/table/origin.h"

namespace postwain::tool {

struct KeyBlock {
  std::string domain;
  std::string selector;
  std::string key;  // the file, as it is to be written
  bool subdomains = true;
  bool signs = true;
};

// "[[dkim_key]]" and its lines.
std::string key_block_text(const KeyBlock& block);

// The text with the block behind it, and an empty line between them.
std::string with_block(std::string_view text, std::string_view block);

struct SignsEdit {
  config::Origin block;     // where the table begins: "[[dkim_key]]", or the brace of an inline one
  config::Origin signs_at;  // where the value stands; line 0: it is not given
  bool signs = false;
};

// A name that stands in quotes.
struct NameEdit {
  config::Origin at;   // of the quote before it
  std::string before;  // as mail::domain_key() has it
  std::string after;
};

// Fails, with a sentence and the place, where a table or a name is written in a form that is not
// understood; then the text is left to people. All edits go together.
Result<std::string> with_signs(std::string_view text, const std::vector<SignsEdit>& edits,
                               const std::vector<NameEdit>& names = {});

}  // namespace postwain::tool
