#include "postwain/log_setup.h"

#include "common/log/log.h"

namespace postwain::tool {

namespace {

log::Level level_of(config::LogLevel level) {
  switch (level) {
    case config::LogLevel::debug:
      return log::Level::debug;
    case config::LogLevel::info:
      return log::Level::info;
    case config::LogLevel::warning:
      return log::Level::warning;
    case config::LogLevel::error:
      return log::Level::error;
  }
  return log::Level::info;
}

}  // namespace

void setup_log(const std::string& process, const config::Log& log) {
  log::setup(process, log.format == config::LogFormat::json ? log::Format::json : log::Format::text,
             level_of(log.level));
}

}  // namespace postwain::tool
