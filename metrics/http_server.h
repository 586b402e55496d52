// A small HTTP server on the loop, for GET only. Home of libmicrohttpd.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "common/base/result.h"
#include "common/net/fd_watcher.h"
#include "common/net/loop.h"

namespace postwain::metrics {

constexpr unsigned kHttpConnectionsMax = 50;
constexpr unsigned kHttpTimeoutSeconds = 10;

struct Answer {
  unsigned status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

class HttpServer {
 public:
  // Called for each GET; done may be called later, exactly once, unless the server goes before.
  using Done = std::function<void(Answer)>;
  using Handler = std::function<void(const std::string& path, Done done)>;

  // fd: bound and listening.
  static Result<std::unique_ptr<HttpServer>> create(net::Loop& loop, int fd, Handler handler);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

 private:
  struct Parts;
  explicit HttpServer(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace postwain::metrics
