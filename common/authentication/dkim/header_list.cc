#include "common/authentication/dkim/header_list.h"

#include <algorithm>

#include "common/base/text.h"
#include "common/content/header_form.h"

namespace postwain::authentication::dkim {

namespace {

// The order of names, letter case aside.
bool name_before(std::string_view a, std::string_view b) {
  return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
    return ascii_lower(x) < ascii_lower(y);
  });
}

// The end of the field that begins the text: the line end behind which no continuation stands.
std::size_t field_size(std::string_view text) {
  std::size_t at = 0;
  while (true) {
    std::size_t end = text.find("\r\n", at);
    if (end == std::string_view::npos) return text.size();
    at = end + 2;
    if (at >= text.size() || (text[at] != ' ' && text[at] != '\t')) return at;
  }
}

}  // namespace

HeaderList::HeaderList(std::string_view section) {
  while (!section.empty()) {
    std::size_t size = field_size(section);
    add(section.substr(0, size));
    section.remove_prefix(size);
  }
  by_name_.resize(fields_.size());
  for (std::uint32_t i = 0; i < by_name_.size(); ++i) by_name_[i] = i;
  std::stable_sort(by_name_.begin(), by_name_.end(), [&](std::uint32_t a, std::uint32_t b) {
    return name_before(fields_[a].name, fields_[b].name);
  });
}

void HeaderList::add(std::string_view text) {
  if (!mail::is_field_line(text)) return;
  if (text.size() >= 2 && text.substr(text.size() - 2) == "\r\n") text.remove_suffix(2);
  std::size_t colon = text.find(':');
  fields_.push_back({text, trim(text.substr(0, colon)), text.substr(colon + 1)});
}

std::span<const std::uint32_t> HeaderList::named(std::string_view name) const {
  auto begin = std::lower_bound(by_name_.begin(), by_name_.end(), name,
                                [&](std::uint32_t place, std::string_view wanted) {
                                  return name_before(fields_[place].name, wanted);
                                });
  auto end = std::upper_bound(begin, by_name_.end(), name,
                              [&](std::string_view wanted, std::uint32_t place) {
                                return name_before(wanted, fields_[place].name);
                              });
  return {begin, end};
}

std::optional<std::string_view> FieldSelection::next(std::string_view name) {
  std::span<const std::uint32_t> places = header_.named(name);
  if (places.empty()) return std::nullopt;
  std::size_t& used = used_[places.data()];
  if (used < places.size() && without_ == places[places.size() - 1 - used]) ++used;
  if (used >= places.size()) return std::nullopt;
  return header_.fields()[places[places.size() - 1 - used++]].text;
}

}  // namespace postwain::authentication::dkim
