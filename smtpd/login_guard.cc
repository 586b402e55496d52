#include "smtpd/login_guard.h"

#include <arpa/inet.h>

#include <cstring>

namespace postwain::smtpd {

std::string login_network(const std::string& plain_address) {
  unsigned char bytes[16];
  char text[INET6_ADDRSTRLEN];
  if (inet_pton(AF_INET, plain_address.c_str(), bytes) == 1) {
    bytes[3] = 0;
    return std::string(inet_ntop(AF_INET, bytes, text, sizeof text)) + "/24";
  }
  if (inet_pton(AF_INET6, plain_address.c_str(), bytes) != 1) return plain_address;
  std::memset(bytes + 7, 0, 9);
  return std::string(inet_ntop(AF_INET6, bytes, text, sizeof text)) + "/56";
}

}  // namespace postwain::smtpd
