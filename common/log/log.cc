#include "common/log/log.h"

#include <atomic>
#include <mutex>

#include <unistd.h>

#include <fmt/format.h>

#include "common/base/file.h"
#include "common/base/text.h"
#include "common/base/time.h"

namespace postwain::log {

namespace {

constexpr std::size_t kBufferMax = 64U << 10;
constexpr std::size_t kValueMax = 512;

// The one log of the process. Lines of the loop thread and of worker threads meet under the mutex.
struct Sink {
  std::mutex mutex;
  std::string process = "postwain";
  std::string pid_text;
  Format format = Format::text;
  std::atomic<Level> level{Level::info};
  std::string buffer;
  void (*request)(void*) = nullptr;
  void* context = nullptr;
};

Sink& sink() {
  static Sink instance;
  return instance;
}

std::string_view name_of(Level level) {
  switch (level) {
    case Level::debug:
      return "debug";
    case Level::info:
      return "info";
    case Level::warning:
      return "warning";
    case Level::error:
      return "error";
  }
  return "?";
}

void write_out(Sink& s) {
  // A log that cannot be written must not stop mail: the line is lost.
  (void)write_all(STDERR_FILENO, s.buffer).ok();
  s.buffer.clear();
}

void append_json_string(std::string& out, std::string_view value) {
  out += '"';
  for (char c : printable(value, kValueMax)) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  out += '"';
}

bool needs_quotes(std::string_view value) {
  return value.empty() || value.find_first_of(" =\"\t") != std::string_view::npos;
}

void append_text_value(std::string& out, std::string_view value) {
  std::string safe = printable(value, kValueMax);
  if (!needs_quotes(safe)) {
    out += safe;
    return;
  }
  out += '"';
  for (char c : safe) {
    if (c == '"') out += '\\';
    out += c;
  }
  out += '"';
}

}  // namespace

void setup(std::string process, Format format, Level level) {
  Sink& s = sink();
  std::lock_guard lock(s.mutex);
  s.process = std::move(process);
  s.pid_text = fmt::format("{}", ::getpid());
  s.format = format;
  s.level = level;
}

void set_flush_request(void (*request)(void*), void* context) {
  Sink& s = sink();
  std::lock_guard lock(s.mutex);
  s.request = request;
  s.context = context;
}

void flush() {
  Sink& s = sink();
  std::lock_guard lock(s.mutex);
  if (!s.buffer.empty()) write_out(s);
}

Line::Line(Level level, std::string_view event) : level_(level), enabled_(level >= sink().level) {
  if (!enabled_) return;
  const Sink& s = sink();
  text_.reserve(256);
  if (s.format == Format::json) {
    text_ = fmt::format(R"({{"time":"{}","process":"{}","pid":{},"level":"{}","event":"{}")",
                        format_rfc3339_ms(wall_now()), s.process,
                        s.pid_text.empty() ? "0" : s.pid_text, name_of(level), event);
  } else {
    text_ = fmt::format("{} {}[{}] {} {}", format_rfc3339_ms(wall_now()), s.process, s.pid_text,
                        name_of(level), event);
  }
}

Line::~Line() {
  if (!enabled_) return;
  Sink& s = sink();
  std::lock_guard lock(s.mutex);
  if (s.format == Format::json) text_ += '}';
  text_ += '\n';
  bool first = s.buffer.empty();
  s.buffer += text_;
  if (s.request == nullptr || level_ >= Level::warning || s.buffer.size() >= kBufferMax)
    write_out(s);
  else if (first)
    s.request(s.context);
}

Line& Line::kv(std::string_view key, std::string_view value) {
  if (!enabled_) return *this;
  if (sink().format == Format::json) {
    text_ += fmt::format(",\"{}\":", key);
    append_json_string(text_, value);
  } else {
    text_ += fmt::format(" {}=", key);
    append_text_value(text_, value);
  }
  return *this;
}

Line& Line::raw(std::string_view key, std::string_view value) {
  if (!enabled_) return *this;
  text_ += sink().format == Format::json ? fmt::format(",\"{}\":{}", key, value)
                                         : fmt::format(" {}={}", key, value);
  return *this;
}

Line& Line::integer(std::string_view key, long long value) {
  return raw(key, fmt::format_int(value).c_str());
}

Line& Line::natural(std::string_view key, unsigned long long value) {
  return raw(key, fmt::format_int(value).c_str());
}

Line& Line::real(std::string_view key, double value) {
  return raw(key, fmt::format("{:.3f}", value));
}

}  // namespace postwain::log
