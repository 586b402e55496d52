#include "common/rspamd/scan_request.h"

#include <charconv>

namespace postwain::rspamd {

namespace {

constexpr std::size_t kValueMax = 2048;

}  // namespace

ScanRequest::ScanRequest(std::string_view host)
    : ScanRequest("POST /checkv2 HTTP/1.1\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n",
                  host) {}

ScanRequest::ScanRequest(std::string_view head, std::string_view host) : head_(head) {
  add("Host", host);
}

ScanRequest& ScanRequest::add(std::string_view name, std::string_view value) {
  if (value.empty()) return *this;
  ((head_ += name) += ": ");
  for (char c : value.substr(0, kValueMax)) {
    auto octet = static_cast<unsigned char>(c);
    head_ += octet < ' ' || octet == 0x7f ? '?' : c;
  }
  head_ += "\r\n";
  return *this;
}

std::string ping_request(std::string_view host) {
  return ScanRequest("GET /ping HTTP/1.1\r\nConnection: close\r\n", host).finish();
}

std::string chunk_of(std::string_view octets) {
  std::string out;
  if (octets.empty()) return out;
  char digits[16];
  auto end = std::to_chars(digits, digits + sizeof digits, octets.size(), 16).ptr;
  out.reserve(octets.size() + 12);
  out.append(digits, end);
  ((out += "\r\n") += octets) += "\r\n";
  return out;
}

}  // namespace postwain::rspamd
