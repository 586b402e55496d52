// Fetches one small text by HTTPS without blocking, the policies of MTA-STS (RFC 8461 3.3), or
// posts one, the reports of RFC 8460. Home of libcurl, whose sockets and time-outs run on the loop
// of common/net.
//
// What it never does: follow a redirect, use a proxy, look names up (the caller has the addresses),
// take more than the caller's bound, believe a certificate that does not lead to the system's trust
// store or is made out for another name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/net/loop.h"

namespace postwain::http {

constexpr Duration kFetchMax = std::chrono::seconds(30);  // one fetch, all in all
constexpr std::size_t kFetchesMax = 100;                  // at once; more are refused
constexpr int kUntrusted = 60;  // code of the error where the server's certificate is not believed

struct Request {
  std::string host;
  std::uint16_t port = 443;
  std::string path;                    // "/.well-known/mta-sts.txt"
  std::vector<std::string> addresses;  // of the host, tried in this order
  std::string content_type;            // what the answer must be, "text/plain"
  std::size_t size_max = 0;
  // Not empty: this is posted instead, and any answer with a status from 200 to 299 will do.
  std::string body;
  std::string body_type;
};

class Fetcher {
 public:
  virtual ~Fetcher() = default;
  // done is called once, later; not any more when the fetcher is destroyed.
  virtual void fetch(Request request, std::function<void(Result<std::string>)> done) = 0;
};

// The trust store is read now: SSL_CERT_FILE of the environment, else the system's. Where there is
// none, every fetch fails and says so.
std::unique_ptr<Fetcher> new_fetcher(net::Loop& loop);

}  // namespace postwain::http
