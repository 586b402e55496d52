// [[listener]] and [tls]: where clients connect, and by which certificates.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/config/table/origin.h"

namespace postwain::config {

enum class ListenerProtocol : std::uint8_t { smtp, submission, lmtp };
// Which mail that comes in here is ours to sign when it leaves, of those who may send anywhere.
enum class ListenerSign : std::uint8_t {
  fresh,  // the default: an account's, and of trusted networks what has not been here before
  all,
  none,
};
enum class ListenerTls : std::uint8_t { off, optional, required, implicit };

struct Listener {
  std::string host;  // "0.0.0.0", "::1"; empty for a Unix socket
  std::uint16_t port = 0;
  std::string unix_path;
  std::uint32_t unix_mode = 0666;  // of the socket's file,
  std::string unix_group;          // and its group; empty: ours
  ListenerProtocol protocol = ListenerProtocol::smtp;
  ListenerTls tls = ListenerTls::off;
  bool auth = false;
  bool auth_without_tls = false;
  ListenerSign sign = ListenerSign::fresh;
  bool proxy_protocol = false;
  std::vector<std::string> proxy_from;
  Origin origin;
  std::string name() const;  // "0.0.0.0:25", "[::1]:25", "unix:/path"
};

struct TlsPair {
  std::string certificate;  // paths; their bytes are in the bundle
  std::string key;
  Origin origin;
};

enum class TlsVersion : std::uint8_t { tls12, tls13 };

struct Tls : TlsPair {        // certificate and key: for clients that name no host, or another
  std::vector<TlsPair> more;  // chosen by the names they are made out for
  TlsVersion minimum = TlsVersion::tls12;
  std::string client_ca;  // path; whose client certificates are believed in what they name
};

}  // namespace postwain::config
