// What the fuzz targets of DKIM and ARC share: a time, a key of their own, and the two parts of a
// message.
#pragma once

#include <string_view>

#include "common/base/time.h"
#include "common/tls/signing_key.h"

namespace postwain::fuzz {

inline const WallTime kNow = from_unix_ms(1'800'000'000'000);

inline const tls::SigningKey& own_key() {
  static const tls::SigningKey key =
      tls::SigningKey::from_pem(*tls::new_private_key(tls::KeyKind::ed25519)).take();
  return key;
}

struct Parts {
  std::string_view header;
  std::string_view body;
};
inline Parts parts_of(std::string_view message) {
  std::size_t end = message.find("\r\n\r\n");
  if (end == std::string_view::npos) return {message, {}};
  return {message.substr(0, end + 2), message.substr(end + 4)};
}

}  // namespace postwain::fuzz
