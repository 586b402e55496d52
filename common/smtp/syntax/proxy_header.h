// The header a proxy in front of us sends before the session: PROXY protocol version 1 (a line) and
// 2 (binary), as HAProxy's proxy-protocol.txt defines them. Pure syntax: whom to believe is the
// caller's business. Bounds: a line of 107 octets (2.1), a binary header of kProxyHeaderMax.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace postwain::smtp {

constexpr std::size_t kProxyLineMax = 107;
// 16 octets, two addresses, and what TLVs a proxy may add; the length field itself allows 64 KiB.
constexpr std::size_t kProxyHeaderMax = 4096;

struct ProxyHeader {
  // As inet_ntop writes it. Empty: the connection is the proxy's own (LOCAL, a health check), or
  // the proxy does not know the client (UNKNOWN, AF_UNIX, UDP).
  std::string client;
  std::uint16_t client_port = 0;
  std::size_t size = 0;  // octets of the header; what follows belongs to the session
};

enum class ProxyParse : std::uint8_t { whole, incomplete, bad };

// bytes: all that came so far. Never asks for more than the bounds above.
ProxyParse parse_proxy_header(std::string_view bytes, ProxyHeader& header);

}  // namespace postwain::smtp
