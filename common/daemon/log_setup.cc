#include "common/daemon/log_setup.h"

#include "common/log/log.h"

namespace postwain::daemon {

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

log::Target target_of(config::LogTarget target) {
  switch (target) {
    case config::LogTarget::standard_error:
      return log::Target::standard_error;
    case config::LogTarget::syslog:
      return log::Target::syslog;
    case config::LogTarget::journal:
      return log::Target::journal;
  }
  return log::Target::standard_error;
}

}  // namespace

void setup_log(const std::string& process, const config::Log& log) {
  log::Settings settings;
  settings.format = log.format == config::LogFormat::json ? log::Format::json : log::Format::text;
  settings.level = level_of(log.level);
  settings.target = target_of(log.target);
  settings.socket = log.socket;
  std::string socket =
      log.socket.empty() ? std::string(log::default_socket(settings.target)) : log.socket;
  if (!log::setup(process, std::move(settings)))
    log::Line(log::Level::warning, "log_unreachable").kv("socket", socket);
}

}  // namespace postwain::daemon
