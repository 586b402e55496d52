#include "common/content/transfer_encoding.h"

#include <algorithm>

#include "common/base/text.h"

namespace postwain::mail {

namespace {

constexpr std::size_t kBase64Bytes = kEncodedLineMax / 4 * 3;

}  // namespace

void QuotedPrintable::put(char c, bool plain, std::string& out) {
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::size_t size = plain ? 1 : 3;
  if (column_ + size > kEncodedLineMax - 1) {
    out += "=\r\n";
    column_ = 0;
  }
  if (plain) {
    out += c;
  } else {
    auto octet = static_cast<unsigned char>(c);
    out += {'=', kDigits[octet >> 4U], kDigits[octet & 15U]};
  }
  column_ += size;
}

void QuotedPrintable::encode(std::string_view text, std::string& out) {
  for (char c : text) {
    char held = held_;
    held_ = '\0';
    if (held == '\r' && c == '\n') {
      out += "\r\n";
      column_ = 0;
      continue;
    }
    if (held == '\r') put('\r', false, out);
    // A blank must not stand at the end of a line.
    if (held == ' ') put(' ', c != '\r', out);
    if (c == '\r' || c == ' ')
      held_ = c;
    else
      put(c, c > ' ' && c <= '~' && c != '=', out);
  }
}

void QuotedPrintable::finish(std::string& out) {
  if (held_ != '\0') put(held_, false, out);
  held_ = '\0';
  column_ = 0;
}

void Base64Lines::encode(std::string_view bytes, std::string& out) {
  while (!bytes.empty()) {
    std::size_t take = std::min(bytes.size(), kBase64Bytes - rest_.size());
    rest_ += bytes.substr(0, take);
    bytes.remove_prefix(take);
    if (rest_.size() == kBase64Bytes) finish(out);
  }
}

void Base64Lines::finish(std::string& out) {
  if (rest_.empty()) return;
  out += base64_encode(rest_) + "\r\n";
  rest_.clear();
}

}  // namespace postwain::mail
