#include "common/content/dkim_form.h"

#include <algorithm>

#include <fmt/format.h>

#include "common/base/text.h"

namespace postwain::mail {

namespace {

bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

// Blanks in a row become one; those at the end go.
std::string squeezed(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (!is_blank(c))
      out += c;
    else if (out.empty() || out.back() != ' ')
      out += ' ';
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

}  // namespace

std::string relaxed_field(std::string_view field) {
  std::size_t colon = std::min(field.find(':'), field.size());
  std::string name = to_lower(trim(field.substr(0, colon)));
  std::string value;
  for (char c : field.substr(std::min(colon + 1, field.size())))
    if (c != '\r' && c != '\n') value += c;
  return name + ":" + std::string(trim(squeezed(value)));
}

std::string relaxed_body(std::string_view body) {
  std::string out;
  while (!body.empty()) {
    std::size_t end = std::min(body.find("\r\n"), body.size());
    out += squeezed(body.substr(0, end)) + "\r\n";
    body.remove_prefix(std::min(end + 2, body.size()));
  }
  while (out.size() >= 4 && out.compare(out.size() - 4, 4, "\r\n\r\n") == 0)
    out.resize(out.size() - 2);
  return out == "\r\n" ? std::string() : out;
}

std::string dkim_field(const DkimFacts& facts) {
  std::string names;
  for (std::string_view field : facts.fields)
    names += fmt::format("{}{}", names.empty() ? "" : ":", trim(field.substr(0, field.find(':'))));
  auto seconds = std::chrono::duration_cast<std::chrono::seconds>(facts.time.time_since_epoch());
  return fmt::format(
      "DKIM-Signature: v=1; a={}; c=relaxed/relaxed; d={};\r\n s={}; t={};\r\n h={};\r\n "
      "bh={};\r\n "
      "b=",
      facts.algorithm, facts.domain, facts.selector, seconds.count(), names, facts.body_hash);
}

std::string dkim_signed_text(const DkimFacts& facts) {
  std::string out;
  for (std::string_view field : facts.fields) out += relaxed_field(field) + "\r\n";
  return out + relaxed_field(dkim_field(facts));
}

}  // namespace postwain::mail
