// metrics: tells Prometheus what qmgr counts, and whether all is well: /metrics, /healthz, /readyz.
//
// What it may touch: its own HTTP port, qmgr's socket (as a peer that may ask for this alone), and
// the memory figures in /proc.
#include <fmt/format.h>

#include "common/base/sysexits.h"
#include "common/config/document/values.h"
#include "common/daemon/confinement.h"
#include "common/daemon/daemon.h"
#include "common/exercise/exercises.h"
#include "common/log/log.h"
#include "common/net/stream.h"
#include "metrics/collector.h"
#include "metrics/http_server.h"

namespace postwain::metrics {

namespace {

constexpr const char* kExposition = "text/plain; version=0.0.4; charset=utf-8";

Answer answer_for(const std::string& path, const std::optional<std::string>& page) {
  if (!page) return {503, "text/plain; charset=utf-8", "the queue manager does not answer\n"};
  if (path == "/metrics") return {200, kExposition, *page};
  bool accepts = page->find("\npostwain_accepting 1\n") != std::string::npos;
  if (path == "/healthz" || accepts) return {200, "text/plain; charset=utf-8", "ok\n"};
  return {503, "text/plain; charset=utf-8", "no new mail is accepted\n"};
}

}  // namespace

int run(daemon::Start& start) {
  net::Loop loop;
  std::string why;
  auto at = config::parse_ip_port(start.config().metrics_address, 0, why);
  if (!at) {
    log::Line(log::Level::error, "cannot_start").kv("reason", "[metrics] address: " + why);
    return kExitConfig;
  }
  Result<int> fd = net::bind_listener({at->host, at->port, {}});
  if (!fd) {
    log::Line(log::Level::error, "cannot_listen")
        .kv("address", start.config().metrics_address)
        .kv("error", fd.error().text);
    return kExitOsError;
  }
  Collector collector(loop, start.config().qmgr_socket(), start.name,
                      [&start] { daemon::announce_ready(start); });
  auto server = HttpServer::create(loop, *fd, [&collector](const std::string& path, auto done) {
    if (path != "/metrics" && path != "/healthz" && path != "/readyz")
      return done({404, "text/plain; charset=utf-8", "see /metrics, /healthz and /readyz\n"});
    collector.collect([path, done](const auto& page) { done(answer_for(path, page)); });
  });
  if (!server) {
    log::Line(log::Level::error, "cannot_start").kv("reason", server.error().text);
    return kExitOsError;
  }
  daemon::Signals signals(loop, [&loop] { loop.stop(); });
  daemon::Confinement confinement("metrics", start.config());
  confinement.give_up_files();
  confinement.give_up_calls();
  loop.run();
  return kExitOk;
}

}  // namespace postwain::metrics

int main(int argc, char** argv) {
  postwain::daemon::Start start = postwain::daemon::begin(
      "metrics", argc, argv,
      {postwain::exercise::loop(), postwain::exercise::threads(), postwain::exercise::accepts()});
  int code = postwain::metrics::run(start);
  postwain::log::flush();
  return code;
}
