#include "common/authentication/results/results_reader.h"

#include <algorithm>
#include <utility>

#include "common/authentication/results/results_scanner.h"
#include "common/base/text.h"
#include "common/content/header_edits.h"
#include "common/mail/address.h"

namespace postwain::authentication {

namespace {

constexpr std::size_t kAuthservIdOctetsMax = 1024;  // of one that can be ours, as U-labels

constexpr std::size_t kULabelWordsMax = 1000;  // of a section

class ResultsParser {
 public:
  explicit ResultsParser(std::string_view value) : scanner_(value) {}

  // [CFWS] authserv-id [CFWS authres-version], up to the first semicolon or the end.
  std::optional<std::string> head();
  // What follows: "none", or at least one result.
  std::optional<std::vector<MethodResult>> results();

 private:
  std::optional<MethodResult> result();
  bool method(std::string word, MethodResult& out);
  bool properties(MethodResult& out);

  ResultsScanner scanner_;
  std::size_t count_ = 0;  // of results and properties
};

std::optional<std::string> ResultsParser::head() {
  if (!scanner_.skip_blanks()) return std::nullopt;
  auto id = scanner_.value();
  if (!id || !scanner_.skip_blanks()) return std::nullopt;
  if (scanner_.digits() && !scanner_.skip_blanks()) return std::nullopt;
  return scanner_.at_end() || scanner_.at(';') ? id : std::nullopt;
}

std::optional<std::vector<MethodResult>> ResultsParser::results() {
  std::vector<MethodResult> out;
  while (!scanner_.at_end()) {
    if (!scanner_.take(';')) return std::nullopt;
    if (scanner_.at_end() && !out.empty()) break;  // a last semicolon, as many write it
    auto next = result();
    if (!next || ++count_ > kReadResultsMax) return std::nullopt;
    if (next->result.empty()) {  // "none", alone
      bool alone = out.empty() && scanner_.at_end();
      return alone ? std::make_optional(std::move(out)) : std::nullopt;
    }
    out.push_back(*std::move(next));
  }
  if (out.empty()) return std::nullopt;
  return out;
}

// methodspec [CFWS reasonspec] [CFWS 1*propspec]; of "none" the method alone.
std::optional<MethodResult> ResultsParser::result() {
  MethodResult out;
  std::string word = scanner_.word();
  if (word.empty() || !scanner_.skip_blanks()) return std::nullopt;
  if (word == "none" && !scanner_.at('=')) return MethodResult{word, {}};
  if (!method(std::move(word), out) || !properties(out)) return std::nullopt;
  return out;
}

bool ResultsParser::method(std::string word, MethodResult& out) {
  out.method = std::move(word);
  if (scanner_.at('/') && (!scanner_.take('/') || !scanner_.digits() || !scanner_.skip_blanks()))
    return false;
  if (!scanner_.take('=')) return false;
  out.result = scanner_.word();
  return !out.result.empty() && scanner_.skip_blanks(&out.comment);
}

bool ResultsParser::properties(MethodResult& out) {
  while (!scanner_.at_end() && !scanner_.at(';')) {
    ResultProperty property;
    property.type = scanner_.word();
    if (property.type.empty() || !scanner_.skip_blanks()) return false;
    bool is_reason = property.type == "reason" && !scanner_.at('.');
    if (!is_reason) {
      if (!scanner_.take('.')) return false;
      property.name = scanner_.word();
      if (property.name.empty() || !scanner_.skip_blanks()) return false;
    }
    if (!scanner_.take('=')) return false;
    // Many write nothing for an empty one: "smtp.mailfrom=;".
    bool is_empty = !is_reason && (scanner_.at_end() || scanner_.at(';'));
    auto value = is_reason  ? scanner_.value()
                 : is_empty ? std::optional<std::string>(std::in_place)
                            : scanner_.property_value();
    if (!value || ++count_ > kReadResultsMax || !scanner_.skip_blanks()) return false;
    property.value = *std::move(value);
    if (is_reason)
      out.reason = std::move(property.value);
    else
      out.properties.push_back(std::move(property));
  }
  return true;
}

// Old forms have a version directly behind the name ("mx.example.org/1").
bool names_us(std::string_view id, const std::string& own_key) {
  if (id.size() > kAuthservIdOctetsMax) return false;
  return mail::domain_key(id) == own_key || mail::domain_key(id.substr(0, id.find('/'))) == own_key;
}

// The text in lower case without blanks, control octets, quotes and backslashes; and without what
// stands in parentheses.
std::string squeezed(std::string_view text, bool with_comments) {
  std::string out;
  std::size_t depth = 0;
  for (char c : text) {
    if (!with_comments && c == '(') ++depth;
    auto octet = static_cast<unsigned char>(c);
    bool stays = depth == 0 && octet > 0x20 && octet != 0x7F && c != '"' && c != '\\';
    if (stays) out += ascii_lower(c);
    if (!with_comments && c == ')' && depth > 0) --depth;
  }
  return out;
}

// Words beyond ASCII that would be our name as A-labels. Of fields with a great many of them that
// is supposed, since to find out is dear. words: how many have been looked at.
bool has_own_u_labels(std::string_view text, const std::string& own_key, std::size_t& words) {
  auto in_word = [](char c) {
    return is_alnum(c) || c == '-' || c == '.' || static_cast<unsigned char>(c) > 0x7F;
  };
  for (auto begin = text.begin(); begin != text.end();) {
    begin = std::find_if(begin, text.end(), in_word);
    auto end = std::find_if_not(begin, text.end(), in_word);
    std::string_view word(text.data() + (begin - text.begin()),
                          static_cast<std::size_t>(end - begin));
    if (!is_ascii(word) && (++words > kULabelWordsMax || names_us(word, own_key))) return true;
    begin = end;
  }
  return false;
}

bool mentions_us(std::string_view text, const std::string& own_key, std::size_t& words) {
  for (bool with_comments : {true, false})
    if (squeezed(text, with_comments).find(own_key) != std::string::npos) return true;
  return has_own_u_labels(text, own_key, words);
}

// Whether some reader could find our name in the id of a field that parses as another's: one that
// decodes an encoded word (RFC 2047), or that passes over octets which we do not.
bool may_be_ours(std::string_view value, std::string_view id, const std::string& own_key) {
  if (value.substr(0, value.find(';')).find("=?") != std::string_view::npos) return true;
  return !is_ascii(id) && squeezed(id, true).find(own_key) != std::string::npos;
}

ResultsClaim claim_with(std::string_view value, const std::string& own_key, std::size_t& words) {
  if (value.size() <= kResultsFieldMax) {
    ResultsParser parser(value);
    auto id = parser.head();
    if (id && names_us(*id, own_key)) return ResultsClaim::ours;
    if (may_be_ours(value, id.value_or(std::string()), own_key)) return ResultsClaim::unparsable;
    if (id && parser.results()) return ResultsClaim::none;
  }
  return mentions_us(value, own_key, words) ? ResultsClaim::unparsable : ResultsClaim::none;
}

}  // namespace

std::optional<ReadResults> parse_results(std::string_view value) {
  if (value.size() > kResultsFieldMax) return std::nullopt;
  ResultsParser parser(value);
  auto id = parser.head();
  auto results = id ? parser.results() : std::nullopt;
  if (!results) return std::nullopt;
  return ReadResults{*std::move(id), *std::move(results)};
}

ResultsClaim claim_of(std::string_view value, std::string_view authserv_id) {
  std::string own_key = mail::domain_key(authserv_id);
  std::size_t words = 0;
  return own_key.empty() ? ResultsClaim::none : claim_with(value, own_key, words);
}

std::vector<ClaimingField> claiming_fields(std::string_view header, std::string_view authserv_id) {
  std::vector<ClaimingField> out;
  std::string own_key = mail::domain_key(authserv_id);
  if (own_key.empty()) return out;
  mail::HeaderEdits fields(header, 0);
  std::size_t index = 0;
  std::size_t words = 0;
  for (std::string_view field : fields.shown()) {
    std::size_t colon = field.find(':');
    if (!iequals(trim(field.substr(0, colon)), kResultsFieldName)) continue;
    std::string_view value = field.substr(colon + 1);
    while (!value.empty() && (value.back() == '\n' || value.back() == '\r')) value.remove_suffix(1);
    ResultsClaim claim = claim_with(value, own_key, words);
    ++index;
    if (claim != ResultsClaim::none) out.push_back({index, claim});
  }
  return out;
}

}  // namespace postwain::authentication
