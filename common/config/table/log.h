// [log]: what is logged, how and where to.
#pragma once

#include <cstdint>
#include <string>

namespace postwain::config {

enum class LogFormat : std::uint8_t { text, json };
enum class LogLevel : std::uint8_t { debug, info, warning, error };

enum class LogTarget : std::uint8_t { standard_error, syslog, journal };

struct Log {
  LogFormat format = LogFormat::text;
  LogLevel level = LogLevel::info;
  LogTarget target = LogTarget::standard_error;
  std::string socket;  // of the log daemon; empty: the usual one
};

}  // namespace postwain::config
