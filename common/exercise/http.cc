#include <memory>

#include <sys/socket.h>

#include "common/exercise/exercises.h"
#include "common/exercise/helper.h"
#include "common/http/fetcher.h"

namespace postwain::exercise {

namespace {

using Work = std::function<Status()>;

struct Fetch {
  net::Loop loop;
  std::unique_ptr<http::Fetcher> fetcher;
};

// To somebody who takes the connection and ends it: then libcurl has made all calls but those of
// the handshake, which tls() makes.
Work fetching() {
  auto at = open_loopback(SOCK_STREAM);
  if (!at) return [error = at.error()] { return Status(error); };
  auto hang_up = [&] { UniqueFd(::accept(at->fd.get(), nullptr, nullptr)); };
  if (Status started = start_helper(hang_up); !started) return [started] { return started; };
  auto fetch = std::make_shared<Fetch>();
  fetch->fetcher = http::new_fetcher(fetch->loop);
  return [fetch, port = at->port]() -> Status {
    bool ended = false;
    http::Request request;
    request.host = "selftest.example";
    request.port = port;
    request.path = "/";
    request.addresses = {"127.0.0.1"};
    request.content_type = "text/plain";
    request.size_max = 100;
    fetch->fetcher->fetch(std::move(request), [&](const Result<std::string>&) {
      ended = true;
      fetch->loop.stop();
    });
    run_for_a_while(fetch->loop);
    fetch->fetcher.reset();
    return ended ? Status() : Error{"a connection to a web server does not come to an end", 0};
  };
}

}  // namespace

daemon::Exercise http() {
  return {"http", "a connection to a web server", [](const config::Config&) { return fetching(); }};
}

}  // namespace postwain::exercise
