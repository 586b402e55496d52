// How a worker of Rspamd is asked about a message by HTTP (POST /checkv2): what it is to know of
// the session stands in fields, the message follows in chunks. Pure.
#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace postwain::rspamd {

// The whole question whether a worker is there (GET /ping), which it answers with "pong".
std::string ping_request(std::string_view host);

class ScanRequest {
 public:
  explicit ScanRequest(std::string_view host);
  // A field of the request; without a value there is none. What cannot stand in one line becomes
  // '?', and what is too long is cut off.
  ScanRequest& add(std::string_view name, std::string_view value);
  std::string finish() { return std::move(head_ += "\r\n"); }

 private:
  friend std::string ping_request(std::string_view host);
  ScanRequest(std::string_view head, std::string_view host);

  std::string head_;
};

// A piece of the message as a chunk (RFC 9112 7.1); nothing of nothing, since that would be the
// end.
std::string chunk_of(std::string_view octets);
constexpr std::string_view kLastChunk = "0\r\n\r\n";

}  // namespace postwain::rspamd
