#include "postwain/dkim/block_edit.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "common/base/text.h"
#include "common/mail/address.h"

namespace postwain::tool {

namespace {

// A basic string of TOML.
std::string toml_quoted(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

// Columns count characters, not octets.
std::optional<std::size_t> offset_of(std::string_view text, int line, int column) {
  std::size_t at = 0;
  for (int i = 1; i < line; ++i) {
    at = text.find('\n', at);
    if (at == std::string_view::npos) return std::nullopt;
    ++at;
  }
  for (int i = 1; i < column; ++i) {
    if (at >= text.size() || text[at] == '\n') return std::nullopt;
    ++at;
    while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0U) == 0x80U) ++at;
  }
  return at;
}

bool is_word_end(std::string_view text, std::size_t at) {
  return at >= text.size() ||
         std::string_view(" \t\r\n,}#").find(text[at]) != std::string_view::npos;
}

Error not_understood(const SignsEdit& edit) {
  return Error{fmt::format("{}: this [[dkim_key]] is written in a form that this command does not "
                           "change; write there: signs = {}",
                           edit.block.text(), edit.signs),
               0};
}

// What is to be put in place of so many octets at an offset.
struct TextChange {
  std::size_t at = 0;
  std::size_t octets = 0;
  std::string text;
};

std::optional<TextChange> change_of_value(std::string_view text, const SignsEdit& edit) {
  auto at = offset_of(text, edit.signs_at.line, edit.signs_at.column);
  if (!at) return std::nullopt;
  for (std::string_view word : {std::string_view("true"), std::string_view("false")})
    if (text.substr(*at, word.size()) == word && is_word_end(text, *at + word.size()))
      return TextChange{*at, word.size(), edit.signs ? "true" : "false"};
  return std::nullopt;
}

// Behind the line of the header; its line end is that of the new line.
std::optional<TextChange> change_behind_header(std::string_view text, std::size_t at,
                                               const SignsEdit& edit) {
  std::size_t end = text.find('\n', at);
  std::string_view line = text.substr(at, end == std::string_view::npos ? end : end - at);
  std::size_t close = line.find("]]");
  if (close == std::string_view::npos || trim(line.substr(2, close - 2)) != "dkim_key")
    return std::nullopt;
  bool crlf = !line.empty() && line.back() == '\r';
  if (end == std::string_view::npos)
    return TextChange{text.size(), 0, fmt::format("\nsigns = {}\n", edit.signs)};
  return TextChange{end + 1, 0, fmt::format("signs = {}{}", edit.signs, crlf ? "\r\n" : "\n")};
}

std::optional<TextChange> change_of(std::string_view text, const SignsEdit& edit) {
  if (edit.signs_at.line > 0) return change_of_value(text, edit);
  auto at = offset_of(text, edit.block.line, edit.block.column);
  if (!at) return std::nullopt;
  if (text.substr(*at, 2) == "[[") return change_behind_header(text, *at, edit);
  if (text.substr(*at, 1) == "{")
    return TextChange{*at + 1, 0, fmt::format(" signs = {},", edit.signs)};
  return std::nullopt;
}

// Between quotes of either kind; with an escape in it, it is another name than it looks like.
std::optional<TextChange> change_of_name(std::string_view text, const NameEdit& edit) {
  auto at = offset_of(text, edit.at.line, edit.at.column);
  if (!at || *at >= text.size() || (text[*at] != '"' && text[*at] != '\'')) return std::nullopt;
  std::string_view name = text.substr(*at + 1);
  std::size_t end = name.find(text[*at]);
  if (end == std::string_view::npos) return std::nullopt;
  name = name.substr(0, end);
  if (name.find('\\') != std::string_view::npos || mail::domain_key(name) != edit.before)
    return std::nullopt;
  return TextChange{*at + 1, name.size(), edit.after};
}

}  // namespace

std::string key_block_text(const KeyBlock& block) {
  std::string out =
      fmt::format("[[dkim_key]]\ndomain = {}\nselector = {}\nkey = {}\n", toml_quoted(block.domain),
                  toml_quoted(block.selector), toml_quoted(block.key));
  if (!block.subdomains) out += "subdomains = false\n";
  if (!block.signs) out += "signs = false\n";
  return out;
}

std::string with_block(std::string_view text, std::string_view block) {
  std::string out(text);
  if (!out.empty() && out.back() != '\n') out += '\n';
  if (!out.empty()) out += '\n';
  return out += block;
}

Result<std::string> with_signs(std::string_view text, const std::vector<SignsEdit>& edits,
                               const std::vector<NameEdit>& names) {
  std::vector<TextChange> changes;
  for (const SignsEdit& edit : edits) {
    auto change = change_of(text, edit);
    if (!change) return not_understood(edit);
    changes.push_back(*std::move(change));
  }
  for (const NameEdit& edit : names) {
    auto change = change_of_name(text, edit);
    if (!change)
      return Error{fmt::format("{}: this name is written in a form that this command does not "
                               "change; write there: \"{}\"",
                               edit.at.text(), edit.after),
                   0};
    changes.push_back(*std::move(change));
  }
  // From the end, so that what comes before keeps its place.
  std::sort(changes.begin(), changes.end(),
            [](const TextChange& a, const TextChange& b) { return a.at > b.at; });
  std::string out(text);
  for (const TextChange& change : changes) out.replace(change.at, change.octets, change.text);
  return out;
}

}  // namespace postwain::tool
