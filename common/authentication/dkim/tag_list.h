// Tag lists, "name=value; name=value" (RFC 6376 3.2): of signatures, of key records, and of what
// came after them (ARC, DMARC). Values may be UTF-8 (RFC 8616 5).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace postwain::authentication::dkim {

constexpr std::size_t kTagListOctetsMax = 65'536;
constexpr std::size_t kTagsMax = 64;

struct Tag {
  std::string_view name;
  std::string_view value;  // without white space and folds at its ends
  std::string_view raw;    // all from behind "=" to before ";"
};

// Views are of the text that was read, which has to live as long.
class TagList {
 public:
  // The error says which rule is broken, in a constant text. A name that stands there twice breaks
  // one (RFC 6376 3.2), names that nobody knows do not.
  static Result<TagList, std::string_view> read(std::string_view text);

  // Null: there is none of that name, in that letter case.
  const Tag* find(std::string_view name) const;
  const std::vector<Tag>& tags() const { return tags_; }

 private:
  std::string_view add(std::string_view text);

  std::vector<Tag> tags_;
};

// Folding white space: blanks and tabs, and line ends where the line behind goes on with them.
std::string_view trim_fws(std::string_view text);
std::string without_fws(std::string_view text);
// Parts of a list with that separator, without white space around them; at most max, or none.
std::vector<std::string_view> list_parts(std::string_view text, char separator, std::size_t max);

}  // namespace postwain::authentication::dkim
