// How tests of the server's engine talk to it: its options, and the code of the last reply.
#pragma once

#include <string>

#include "tests/unit/smtp/server_host.h"

namespace postwain::smtp::test {

inline ServerOptions options() {
  ServerOptions value;
  value.hostname = "mx.test";
  value.message_size = 1000;
  value.errors = 1000;
  value.starttls = true;
  value.xclient = value.xforward = true;
  return value;
}

// Code of the last reply line.
inline int last_code(const std::string& output) {
  if (output.size() < 5) return 0;
  std::size_t line = output.rfind("\r\n", output.size() - 3);
  line = line == std::string::npos ? 0 : line + 2;
  return std::stoi(output.substr(line, 3));
}

inline int say(TestHost& host, const std::string& bytes) {
  host.take_output();
  host.feed(bytes);
  return last_code(host.take_output());
}

// Commands that lead from a fresh session into a state.
inline const char* way_to(ServerState state) {
  switch (state) {
    case ServerState::fresh:
      return "";
    case ServerState::ready:
      return "EHLO c\r\n";
    case ServerState::mail:
      return "EHLO c\r\nMAIL FROM:<a@b>\r\n";
    case ServerState::rcpt:
      return "EHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n";
    case ServerState::chunking:
      return "EHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 3\r\na\r\n";
    case ServerState::chunk_failed:
      return "EHLO c\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 2\r\n\r\r";
    case ServerState::refused:
      return "";
  }
  return "";
}

}  // namespace postwain::smtp::test
