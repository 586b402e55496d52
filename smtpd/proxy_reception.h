// A connection of a proxy from its accept to the end of the PROXY header, which must come within
// kProxyTimeout. Then the server takes stream and header and begins a session with them.
#pragma once

#include <functional>
#include <string>

#include "common/config/table/listener.h"
#include "common/log/log.h"
#include "common/net/stream.h"
#include "common/smtp/syntax/proxy_header.h"
#include "smtpd/session/session.h"

namespace postwain::smtpd {

constexpr Duration kProxyTimeout = std::chrono::seconds(5);

// address: plain_address() of who connects.
bool believes_proxy(const config::Listener& listener, const std::string& address);

class ProxyReception {
 public:
  enum class State : std::uint8_t { reading, whole, failed };

  // on_over: state() is no longer reading. This object must outlive the call.
  ProxyReception(net::Loop& loop, const config::Listener& listener, net::Stream stream,
                 std::function<void()> on_over);
  ProxyReception(const ProxyReception&) = delete;
  ProxyReception& operator=(const ProxyReception&) = delete;

  void sweep(MonoTime now);
  State state() const { return state_; }
  const config::Listener& listener() const { return listener_; }
  // When whole.
  Proxied take_proxied();
  net::Stream take_stream() { return std::move(stream_); }

 private:
  void received(std::string_view bytes);
  void fail(std::string_view why, log::Level level = log::Level::info);

  const config::Listener& listener_;
  net::Stream stream_;
  std::function<void()> on_over_;
  MonoTime deadline_;
  std::string bytes_;
  smtp::ProxyHeader header_;
  State state_ = State::reading;
};

}  // namespace postwain::smtpd
