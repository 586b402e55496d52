#include "common/authentication/dkim/tag_list.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "common/base/text.h"

namespace postwain::authentication::dkim {

namespace {

bool is_fws_octet(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

// ALPHA *(ALPHA / DIGIT / "_")
bool is_tag_name(std::string_view name) {
  return !name.empty() && is_alpha(name.front()) &&
         std::all_of(name.begin(), name.end(), [](char c) { return is_alnum(c) || c == '_'; });
}

// A line end is right where it folds: CRLF, and white space behind it, or nothing more.
bool folds_well(std::string_view text) {
  for (std::size_t at = 0; at < text.size(); ++at) {
    char c = text[at];
    if (c == '\n') return false;
    if (c != '\r') continue;
    if (text.substr(at, 2) != "\r\n") return false;
    ++at;
    if (at + 1 < text.size() && text[at + 1] != ' ' && text[at + 1] != '\t') return false;
  }
  return true;
}

bool is_printable(std::string_view value) {
  return std::all_of(value.begin(), value.end(), [](char c) {
    return is_fws_octet(c) || (static_cast<unsigned char>(c) > 0x20 && c != 0x7F);
  });
}

}  // namespace

Result<TagList, std::string_view> TagList::read(std::string_view text) {
  if (text.size() > kTagListOctetsMax) return std::string_view("the tag list is too long");
  if (!folds_well(text) || !is_printable(text) || !is_valid_utf8(text))
    return std::string_view("the tag list has a character that is not allowed");
  TagList list;
  while (true) {
    std::size_t end = text.find(';');
    if (std::string_view trouble = list.add(text.substr(0, end)); !trouble.empty()) return trouble;
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
    if (trim_fws(text).empty()) break;  // the last tag may have a ";" behind it
  }
  return list;
}

// text: one tag. The trouble with it, or nothing.
std::string_view TagList::add(std::string_view text) {
  std::size_t equals = text.find('=');
  if (equals == std::string_view::npos) return "a tag has no \"=\"";
  std::string_view name = trim_fws(text.substr(0, equals));
  if (!is_tag_name(name)) return "a tag has no right name";
  if (find(name) != nullptr) return "a tag stands there twice";
  if (tags_.size() >= kTagsMax) return "there are too many tags";
  std::string_view raw = text.substr(equals + 1);
  tags_.push_back({name, trim_fws(raw), raw});
  return {};
}

const Tag* TagList::find(std::string_view name) const {
  auto at = std::find_if(tags_.begin(), tags_.end(), [&](const Tag& t) { return t.name == name; });
  return at != tags_.end() ? &*at : nullptr;
}

std::string_view trim_fws(std::string_view text) {
  while (!text.empty() && is_fws_octet(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_fws_octet(text.back())) text.remove_suffix(1);
  return text;
}

std::string without_fws(std::string_view text) {
  std::string out;
  std::copy_if(text.begin(), text.end(), std::back_inserter(out),
               [](char c) { return !is_fws_octet(c); });
  return out;
}

std::vector<std::string_view> list_parts(std::string_view text, char separator, std::size_t max) {
  std::vector<std::string_view> parts;
  while (parts.size() < max) {
    std::size_t end = text.find(separator);
    parts.push_back(trim_fws(text.substr(0, end)));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
  return {};
}

}  // namespace postwain::authentication::dkim
