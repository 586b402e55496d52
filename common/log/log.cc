#include "common/log/log.h"

#include <atomic>
#include <iterator>
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

// True for the usual value: printable ASCII within the limit that stands in a line as it is.
bool is_plain(std::string_view value, bool text_format) {
  if (value.size() > kValueMax) return false;
  for (char c : value) {
    auto byte = static_cast<unsigned char>(c);
    if (byte < 0x21 || byte > 0x7E || c == '"' || c == '\\') {
      if (c != ' ' || text_format) return false;
    }
    if (text_format && c == '=') return false;
  }
  return !text_format || !value.empty();
}

void append_quoted(std::string& out, std::string_view value, std::string_view escaped) {
  out += '"';
  for (char c : value) {
    if (escaped.find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  out += '"';
}

void append_json_string(std::string& out, std::string_view value) {
  if (!is_plain(value, false)) return append_quoted(out, printable(value, kValueMax), "\"\\");
  out += '"';
  out += value;
  out += '"';
}

void append_text_value(std::string& out, std::string_view value) {
  if (is_plain(value, true)) {
    out += value;
    return;
  }
  std::string safe = printable(value, kValueMax);
  bool quotes = safe.empty() || safe.find_first_of(" =\"\t") != std::string::npos;
  if (quotes)
    append_quoted(out, safe, "\"");
  else
    out += safe;
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
    fmt::format_to(std::back_inserter(text_),
                   R"({{"time":"{}","process":"{}","pid":{},"level":"{}","event":"{}")",
                   format_rfc3339_ms(wall_now()), s.process, s.pid_text.empty() ? "0" : s.pid_text,
                   name_of(level), event);
  } else {
    fmt::format_to(std::back_inserter(text_), "{} {}[{}] {} {}", format_rfc3339_ms(wall_now()),
                   s.process, s.pid_text, name_of(level), event);
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

void Line::begin_field(std::string_view key) {
  bool json = sink().format == Format::json;
  text_ += json ? ",\"" : " ";
  text_ += key;
  text_ += json ? "\":" : "=";
}

Line& Line::kv(std::string_view key, std::string_view value) {
  if (!enabled_) return *this;
  begin_field(key);
  if (sink().format == Format::json)
    append_json_string(text_, value);
  else
    append_text_value(text_, value);
  return *this;
}

Line& Line::raw(std::string_view key, std::string_view value) {
  if (!enabled_) return *this;
  begin_field(key);
  text_ += value;
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
