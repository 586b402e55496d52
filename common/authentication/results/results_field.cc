#include "common/authentication/results/results_field.h"

#include <algorithm>

#include "common/base/text.h"

namespace postwain::authentication {

namespace {

constexpr std::size_t kResultsLine = 78;
constexpr std::size_t kAuthservIdMax = 255;
constexpr std::string_view kResultsCut = "...";

// Keyword of RFC 5321 4.1.2: Ldh-str.
bool is_result_word(std::string_view word) {
  auto fits = [](char c) { return is_alnum(c) || c == '-'; };
  return !word.empty() && word.size() <= kResultWordMax && is_alnum(word.back()) &&
         std::all_of(word.begin(), word.end(), fits);
}

// A token of RFC 2045 5.1.
bool is_result_token(std::string_view text) {
  auto fits = [](char c) {
    return c > 0x20 && c < 0x7F &&
           std::string_view("()<>@,;:\\\"/[]?=").find(c) == std::string_view::npos;
  };
  return !text.empty() && std::all_of(text.begin(), text.end(), fits);
}

bool is_result_atext(char c) {
  return is_alnum(c) ||
         (c != '\0' && std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos);
}

// Parts that are not empty, with dots between them.
template <class Fits>
bool is_dotted_result(std::string_view text, Fits fits) {
  for (std::string_view part : split(text, '.'))
    if (part.empty() || !std::all_of(part.begin(), part.end(), fits)) return false;
  return true;
}

// One quoted string in ASCII, and nothing else.
bool is_result_quoted_string(std::string_view text) {
  if (text.size() < 2 || text.front() != '"' || text.back() != '"' || !is_ascii(text)) return false;
  for (std::size_t i = 1; i + 1 < text.size(); ++i) {
    if (text[i] == '"') return false;
    if (text[i] == '\\' && ++i + 1 == text.size()) return false;
  }
  return true;
}

// [ [ local-part ] "@" ] domain-name of RFC 8601, with an "@".
bool is_result_address(std::string_view text) {
  std::size_t at = text.rfind('@');
  if (at == std::string_view::npos) return false;
  std::string_view local = text.substr(0, at);
  auto in_domain = [](char c) { return is_alnum(c) || c == '-' || c == '_'; };
  return is_dotted_result(text.substr(at + 1), in_domain) &&
         (local.empty() || is_dotted_result(local, is_result_atext) ||
          is_result_quoted_string(local));
}

// What begins an encoded word (RFC 2047) is broken up: readers decode them in places where there
// must be none, and what they find then would be the stranger's.
constexpr std::string_view kEncodedWord = "=?";

std::string results_escaped(std::string_view text, std::string_view specials) {
  std::string out;
  for (char c : text) {
    bool in_encoded = c == kEncodedWord.back() && out.ends_with(kEncodedWord.front());
    if (in_encoded || c == '\\' || specials.find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

std::string result_value(std::string_view text) {
  if (is_result_token(text)) return std::string(text);
  return '"' + results_escaped(text, "\"") + '"';
}

// Whether its octets above 127 are UTF-8 that no reader takes for a control character.
bool is_harmless_utf8(std::string_view text) {
  if (!is_valid_utf8(text)) return false;
  std::string high;
  for (char c : text)
    if (static_cast<unsigned char>(c) > 0x7F) high += c;
  return printable(high, high.size() + 1) == high;
}

std::string results_text(std::string_view text, std::size_t octets_max, bool utf8) {
  bool wide = utf8 && is_harmless_utf8(text);
  std::string out;
  bool cut = text.size() > octets_max;
  if (cut) {
    std::size_t size = octets_max - kResultsCut.size();
    while (wide && size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80) --size;
    text = text.substr(0, size);
  }
  for (char c : text) {
    auto octet = static_cast<unsigned char>(c);
    bool stays = (octet >= 0x20 && octet < 0x7F) || (octet > 0x7F && wide);
    out += stays ? c : '?';
  }
  if (cut) out += kResultsCut;
  return out;
}

// Every blank of the text is one that a line may end before: between words, in a quoted string or
// in a comment (RFC 5322 2.2.3); but for one that a backslash quotes, since readers differ in what
// they take the backslash for then. column: of the line under way.
void append_folded(std::string& out, std::string_view text, std::size_t column) {
  while (!text.empty()) {
    std::size_t word = std::min(text.find_first_not_of(' '), text.size());
    std::size_t size = std::min(text.find(' ', word), text.size());
    if (text.front() == ' ' && column + size > kResultsLine && !out.ends_with('\\')) {
      out += "\r\n";
      column = 0;
    }
    out += text.substr(0, size);
    column += size;
    text.remove_prefix(size);
  }
}

bool stays_unquoted(std::string_view value) {
  return is_result_address(value) && value.find(kEncodedWord) == std::string_view::npos;
}

std::string result_text(const MethodResult& result) {
  std::string text = result.method + '=' + result.result;
  if (!result.comment.empty()) text += " (" + results_escaped(result.comment, "()") + ')';
  if (!result.reason.empty()) text += " reason=" + result_value(result.reason);
  for (const ResultProperty& property : result.properties)
    text += ' ' + property.type + '.' + property.name + '=' +
            (stays_unquoted(property.value) ? property.value : result_value(property.value));
  return text;
}

}  // namespace

std::optional<MethodResult> as_written(const MethodResult& result, bool utf8) {
  if (!is_result_word(result.method) || !is_result_word(result.result)) return std::nullopt;
  MethodResult out{result.method, result.result, results_text(result.reason, kResultTextMax, utf8)};
  out.comment = results_text(result.comment, kResultTextMax, utf8);
  for (const ResultProperty& property : result.properties) {
    if (!is_result_word(property.type) || !is_result_word(property.name)) continue;
    if (out.properties.size() == kResultPropertiesMax) break;
    out.properties.push_back(
        {property.type, property.name, results_text(property.value, kResultValueMax, utf8)});
  }
  return out;
}

std::string authserv_id_as_written(std::string_view authserv_id) {
  return results_text(authserv_id, kAuthservIdMax, false);
}

std::string results_field(std::string_view authserv_id, const std::vector<MethodResult>& results,
                          bool utf8) {
  constexpr std::string_view kName = "Authentication-Results:";
  std::string out(kName);
  append_folded(out, ' ' + result_value(authserv_id_as_written(authserv_id)) + ';', kName.size());
  std::size_t written = 0;
  for (const MethodResult& result : results) {
    auto shown = as_written(result, utf8);
    if (!shown || written == kMethodResultsMax) continue;
    out += written++ == 0 ? "\r\n\t" : ";\r\n\t";
    append_folded(out, result_text(*shown), 1);
  }
  out += written == 0 ? " none\r\n" : "\r\n";
  return out;
}

}  // namespace postwain::authentication
