// Changes of a header section, field by field, as milters ask for them. Octets of fields that
// nobody changes stay exactly as they are. What an index counts is that of Postfix, whose
// references most filters are tested with. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace postwain::mail {

// A field as it is written: name, colon, value, CRLF. Line ends in the value (CRLF, LF or CR)
// become folds (RFC 5322 2.2.3): a line that does not begin with white space gets a tab, and an
// empty one goes, since it would end the section. leading_space: the value brings its own space, or
// none; else one is put after the colon.
std::string field_text(std::string_view name, std::string_view value, bool leading_space);

class HeaderEdits {
 public:
  // section: fields only, with their CRLF. hidden: so many of the first fields are not shown to
  // filters (trace fields of our own), and no index but that of insert counts them.
  HeaderEdits(std::string_view section, std::size_t hidden);

  // At the end of the section.
  void add(std::string field);
  // Before the field with that index, the hidden ones counted; 0: above everything, 1: below our
  // own trace field. Beyond the end: at the end.
  void insert(std::size_t index, std::string field);
  // The index-th field of that name, from 1 (0 is 1), letter case aside, as they stand now. Without
  // such a field the new one is added. field: its whole new text; empty: it is removed.
  void change(std::size_t index, std::string_view name, std::string field);
  // All shown ones of that name; how many they were.
  std::size_t remove(std::string_view name);

  // The texts of the fields that a filter is shown, in order; until the next change.
  std::vector<std::string_view> shown() const;
  bool changed() const { return changed_; }
  std::string text() const;
  std::size_t octets() const;

 private:
  struct Field {
    bool is_shown_as(std::string_view name) const;

    std::string text;
    bool hidden = false;
  };

  std::vector<Field> fields_;
  bool changed_ = false;
};

}  // namespace postwain::mail
