#include "common/authentication/results/results_scanner.h"

#include <algorithm>

#include "common/base/text.h"

namespace postwain::authentication {

namespace {

// CRLF or LF with white space behind it: its line end.
std::size_t results_fold_size(std::string_view text) {
  std::size_t size = text.substr(0, 2) == "\r\n" ? 2 : text.front() == '\n' ? 1 : 0;
  if (size == 0 || size == text.size()) return 0;
  return text[size] == ' ' || text[size] == '\t' ? size : 0;
}

bool is_results_control(char c) {
  return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7F;
}

bool ends_results_value(char c) {
  return c == ' ' || c == '\t' || is_results_control(c) ||
         std::string_view(";()\"\\,<>").find(c) != std::string_view::npos;
}

// What a quoted string or a comment has at that place: an octet, an escaped one, or a fold, of
// which only the white space counts. Nothing: a control octet, or the end.
std::optional<char> results_octet(std::string_view text, std::size_t& i) {
  if (std::size_t fold = results_fold_size(text.substr(i))) i += fold;
  if (text[i] == '\\') {
    if (++i == text.size()) return std::nullopt;
    i += results_fold_size(text.substr(i));
  }
  if (is_results_control(text[i])) return std::nullopt;
  return text[i++];
}

}  // namespace

bool ResultsScanner::take(char c) {
  if (!at(c)) return false;
  rest_.remove_prefix(1);
  return skip_blanks();
}

bool ResultsScanner::skip_comment(std::string* text) {
  std::size_t depth = 0;
  for (std::size_t i = 0; i < rest_.size();) {
    char first = rest_[i];
    auto octet = results_octet(rest_, i);
    if (!octet) return false;
    if (first == '(') ++depth;
    if (first == ')' && --depth == 0) {
      rest_.remove_prefix(i);
      return true;
    }
    if (text != nullptr && i > 1) *text += *octet;
  }
  return false;
}

bool ResultsScanner::skip_blanks(std::string* comment) {
  while (!rest_.empty()) {
    std::size_t fold = results_fold_size(rest_);
    if (fold > 0 || rest_.front() == ' ' || rest_.front() == '\t') {
      rest_.remove_prefix(std::max<std::size_t>(fold, 1));
    } else if (rest_.front() == '(') {
      if (!skip_comment(comment)) return false;
      comment = nullptr;
    } else {
      return !is_results_control(rest_.front());
    }
  }
  return true;
}

std::string ResultsScanner::word() {
  auto end =
      std::find_if(rest_.begin(), rest_.end(), [](char c) { return !is_alnum(c) && c != '-'; });
  auto size = static_cast<std::size_t>(end - rest_.begin());
  std::string out = to_lower(rest_.substr(0, size));
  rest_.remove_prefix(size);
  return out;
}

bool ResultsScanner::digits() {
  std::size_t size = std::min(rest_.find_first_not_of("0123456789"), rest_.size());
  rest_.remove_prefix(size);
  return size > 0;
}

std::optional<std::string> ResultsScanner::quoted_string() {
  std::string text;
  for (std::size_t i = 1; i < rest_.size();) {
    if (rest_[i] == '"') {
      rest_.remove_prefix(i + 1);
      return text;
    }
    auto octet = results_octet(rest_, i);
    if (!octet) return std::nullopt;
    text += *octet;
  }
  return std::nullopt;
}

std::optional<std::string> ResultsScanner::value() {
  if (at('"')) return quoted_string();
  auto end = std::find_if(rest_.begin(), rest_.end(), ends_results_value);
  if (end == rest_.begin()) return std::nullopt;
  std::string text(rest_.begin(), end);
  rest_.remove_prefix(text.size());
  return text;
}

std::optional<std::string> ResultsScanner::property_value() {
  std::string_view before = rest_;
  auto text = value();
  if (!text || before.front() != '"' || !at('@')) return text;
  std::string local(before.substr(0, before.size() - rest_.size()));
  std::erase_if(local, [](char c) { return c == '\r' || c == '\n'; });  // of folds
  auto domain = value();
  return domain ? local + *domain : domain;
}

}  // namespace postwain::authentication
