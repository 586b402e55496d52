#include "common/authentication/dkim/canonical.h"

#include <algorithm>
#include <cstring>

#include "common/base/text.h"

namespace postwain::authentication::dkim {

namespace {

constexpr std::string_view kCrLf = "\r\n";

bool is_wsp(char c) {
  return c == ' ' || c == '\t';
}

bool ends_with_crlf(std::string_view text) {
  return text.size() >= 2 && text.substr(text.size() - 2) == kCrLf;
}

// Without its folds, blanks in a row as one, none at the ends.
std::string relaxed_value(std::string_view value) {
  std::string out;
  bool blank = false;
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (value.substr(i, 2) == kCrLf) {
      ++i;
    } else if (is_wsp(value[i])) {
      blank = true;
    } else {
      if (blank && !out.empty()) out += ' ';
      blank = false;
      out += value[i];
    }
  }
  return out;
}

}  // namespace

std::string canonical_field(Canonical form, std::string_view field) {
  if (ends_with_crlf(field)) field.remove_suffix(2);
  if (form == Canonical::simple) return std::string(field);
  std::size_t colon = std::min(field.find(':'), field.size());
  std::string name = to_lower(trim(field.substr(0, colon)));
  return name + ":" + relaxed_value(field.substr(std::min(colon + 1, field.size())));
}

void CanonicalBody::take(std::string_view piece, const Emit& emit) {
  while (!piece.empty()) {
    if (cr_) {
      bool line_end = piece.front() == '\n';
      settle_cr(piece.front(), emit);
      if (line_end) piece.remove_prefix(1);
      continue;
    }
    char first = piece.front();
    if (first == '\r' || (form_ == Canonical::relaxed && is_wsp(first))) {
      (first == '\r' ? cr_ : blank_) = true;
      piece.remove_prefix(1);
      continue;
    }
    std::string_view text = plain_text(piece);
    take_text(text, emit);
    piece.remove_prefix(text.size());
  }
}

// Up to the next octet that is more than itself.
std::string_view CanonicalBody::plain_text(std::string_view piece) const {
  if (form_ == Canonical::simple) return piece.substr(0, piece.find('\r'));
  auto stop =
      std::find_if(piece.begin(), piece.end(), [](char c) { return c == '\r' || is_wsp(c); });
  return {piece.begin(), stop};
}

// What a CR is can be told by the octet behind it.
void CanonicalBody::settle_cr(char next, const Emit& emit) {
  cr_ = false;
  if (next == '\n') {
    blank_ = false;
    ++line_ends_;
  } else {
    take_text("\r", emit);
  }
}

void CanonicalBody::take_text(std::string_view text, const Emit& emit) {
  flush_waiting(emit);
  any_text_ = true;
  put(text, emit);
}

// Line ends and white space that turned out to have text behind them.
void CanonicalBody::flush_waiting(const Emit& emit) {
  for (; line_ends_ > 0; --line_ends_) put(kCrLf, emit);
  if (blank_) put(" ", emit);
  blank_ = false;
}

void CanonicalBody::end(const Emit& emit) {
  if (cr_) settle_cr('\0', emit);
  // An empty body is a line end in the simple form, and nothing in the relaxed one.
  if (any_text_ || form_ == Canonical::simple) put(kCrLf, emit);
  flush(emit);
}

void CanonicalBody::put(std::string_view text, const Emit& emit) {
  octets_ += text.size();
  if (text.size() > buffer_.size() - buffered_) flush(emit);
  if (text.size() > buffer_.size()) {
    emit(text);
    return;
  }
  std::memcpy(buffer_.data() + buffered_, text.data(), text.size());
  buffered_ += text.size();
}

void CanonicalBody::flush(const Emit& emit) {
  if (buffered_ > 0) emit({buffer_.data(), buffered_});
  buffered_ = 0;
}

}  // namespace postwain::authentication::dkim
