// Where log lines go: standard error, or the socket of a log daemon. Never waits for a reader: what
// cannot be taken is kept up to kPendingMax bytes, then dropped and counted, and the count is told
// as soon as the way is open again.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

#include "common/base/file.h"

namespace postwain::log {

constexpr std::size_t kPendingMax = 256U << 10;

enum class Target : std::uint8_t { standard_error, syslog, journal };

// Of a socket not named by the configuration.
std::string_view default_socket(Target target);

class Output {
 public:
  // socket: empty, the usual one. False: it cannot be reached, and standard error serves. One that
  // is lost later is tried again, every second.
  bool open(Target target, std::string socket);

  // One record: to standard error a line with its end, to a log daemon a datagram.
  void take(std::string record);
  // Sends what it can.
  void flush();
  std::uint64_t take_dropped();  // since the last call, and only when the way is open

 private:
  bool send_all();
  bool send_datagrams();
  bool write_lines();
  bool connect();

  Target target_ = Target::standard_error;
  std::string path_;
  UniqueFd socket_;
  std::chrono::steady_clock::time_point next_try_{};
  std::deque<std::string> pending_;
  std::size_t pending_bytes_ = 0;
  std::uint64_t dropped_ = 0;
};

// Standard error, as our processes inherit it, must not make a writer wait either: a pipe or
// terminal is opened anew for this process and its children, so that whoever shares it with us
// notices nothing. Where that is not possible it stays as it is.
void make_standard_error_patient();

}  // namespace postwain::log
