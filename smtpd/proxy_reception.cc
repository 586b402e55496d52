#include "smtpd/proxy_reception.h"

#include "common/config/config.h"
#include "common/log/log.h"
#include "smtpd/acceptance/client_address.h"

namespace postwain::smtpd {

bool believes_proxy(const config::Listener& listener, const std::string& address) {
  for (const std::string& text : listener.proxy_from) {
    auto network = config::parse_network(text);
    if (network && config::contains(*network, address)) return true;
  }
  return false;
}

ProxyReception::ProxyReception(net::Loop& loop, const config::Listener& listener,
                               net::Stream stream, std::function<void()> on_over)
    : listener_(listener),
      stream_(std::move(stream)),
      on_over_(std::move(on_over)),
      deadline_(loop.now() + kProxyTimeout) {
  stream_.start({
      .on_data = [this](std::string_view bytes) { received(bytes); },
      // Without a word: a health check of a balancer, every few seconds.
      .on_end =
          [this] {
            fail("closed before its PROXY header",
                 bytes_.empty() ? log::Level::debug : log::Level::info);
          },
      .on_error =
          [this](const Error& error) {
            fail(error.text, bytes_.empty() ? log::Level::debug : log::Level::info);
          },
  });
}

void ProxyReception::received(std::string_view bytes) {
  if (state_ != State::reading) return;
  bytes_ += bytes;
  switch (smtp::parse_proxy_header(bytes_, header_)) {
    case smtp::ProxyParse::incomplete:
      return;
    case smtp::ProxyParse::bad:
      return fail("bad PROXY header");
    case smtp::ProxyParse::whole:
      stream_.pause();
      state_ = State::whole;
      return on_over_();
  }
}

void ProxyReception::fail(std::string_view why, log::Level level) {
  if (state_ != State::reading) return;
  log::Line(level, "refused")
      .kv("client", stream_.peer().host)
      .kv("on", listener_.name())
      .kv("stage", "connect")
      .kv("reason", why);
  stream_.pause();
  state_ = State::failed;
  on_over_();
}

void ProxyReception::sweep(MonoTime now) {
  if (now >= deadline_) fail("no PROXY header in time");
}

Proxied ProxyReception::take_proxied() {
  return {plain_address(header_.client), bytes_.substr(header_.size)};
}

}  // namespace postwain::smtpd
