// Log lines: one event a line, text ("time name[pid] level event key=value …") or JSON, to standard
// error, syslog or the journal (output.h). Lines are batched and leave together (flush), or when
// they are many; warnings and errors leave at once. Thread-safe. Events and fields are documented
// in postwain-log(7); every line of a message carries id=.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

#include "common/log/output.h"

namespace postwain::log {

enum class Level : std::uint8_t { debug, info, warning, error };
enum class Format : std::uint8_t { text, json };

struct Settings {
  Format format = Format::text;  // the journal gets fields instead
  Level level = Level::info;
  Target target = Target::standard_error;
  std::string socket{};  // of the log daemon; empty: the usual one
};

// Before the first line, and when the settings change. process: "smtpd[0]". False: the log daemon
// cannot be reached, and lines go to standard error instead.
bool setup(std::string process, Settings settings);
// Called when something is first buffered, to arrange a later flush(); without it every line is
// written at once.
void set_flush_request(void (*request)(void* context), void* context);
void flush();

// Builds one line and emits it when destroyed:  log::Line(log::Level::info, "accepted").kv("id",
// id.text()); Values are made safe for one line (control characters escaped, at most 512 bytes).
class Line {
 public:
  Line(Level level, std::string_view event);
  ~Line();
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;

  Line& kv(std::string_view key, std::string_view value);
  template <class Number>
  requires(std::is_arithmetic_v<Number>) Line& kv(std::string_view key, Number value) {
    if constexpr (std::is_same_v<Number, bool>)
      return raw(key, value ? "true" : "false");
    else if constexpr (std::is_floating_point_v<Number>)
      return real(key, value);
    else if constexpr (std::is_signed_v<Number>)
      return integer(key, value);
    else
      return natural(key, value);
  }

 private:
  void begin_field(std::string_view key);
  Line& raw(std::string_view key, std::string_view value);
  Line& integer(std::string_view key, long long value);
  Line& natural(std::string_view key, unsigned long long value);
  Line& real(std::string_view key, double value);
  Level level_;
  bool enabled_;
  std::string text_;
  std::string fields_;  // for the journal
};

}  // namespace postwain::log
