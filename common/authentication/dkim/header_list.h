// The fields of a header section, found by name from the bottom up, as signatures name them (RFC
// 6376 5.4.2). However hostile the section, each question takes logarithmic time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace postwain::authentication::dkim {

// All views are of the section that it was made of, which has to live as long.
class HeaderList {
 public:
  struct Field {
    std::string_view text;   // with its folds, without its last CRLF
    std::string_view name;   // without white space before the colon
    std::string_view value;  // behind the colon, to the end of text
  };

  // section: the fields as they were received, with CRLF, without the empty line behind them. What
  // is no field is passed over.
  explicit HeaderList(std::string_view section);

  const std::vector<Field>& fields() const { return fields_; }
  // Where the fields of that name stand, any letter case, from the top.
  std::span<const std::uint32_t> named(std::string_view name) const;

 private:
  void add(std::string_view text);

  std::vector<Field> fields_;
  std::vector<std::uint32_t> by_name_;
};

// The fields that a list of names (h=) means: each mention is the next one from the bottom.
class FieldSelection {
 public:
  // without: the place of a field that is not counted, which is the signature itself.
  FieldSelection(const HeaderList& header, std::optional<std::size_t> without)
      : header_(header), without_(without) {}
  // Nothing: there is no further one of that name (RFC 6376 3.5: then the null string is signed).
  std::optional<std::string_view> next(std::string_view name);

 private:
  const HeaderList& header_;
  std::optional<std::size_t> without_;
  std::map<const std::uint32_t*, std::size_t> used_;  // by the first of a name
};

}  // namespace postwain::authentication::dkim
