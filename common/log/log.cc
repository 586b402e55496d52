#include "common/log/log.h"

#include <atomic>
#include <cerrno>
#include <ctime>
#include <iterator>
#include <mutex>

#include <unistd.h>

#include <fmt/format.h>

#include "common/base/text.h"
#include "common/base/time.h"

namespace postwain::log {

namespace {

constexpr std::size_t kGatheredMax = 64U << 10;
constexpr std::size_t kValueMax = 512;
constexpr std::size_t kLineUsual = 256;

// The one log of the process. Lines of the loop thread and of worker threads meet under the mutex.
struct Sink {
  std::mutex mutex;
  // Of a tool that sets nothing up.
  std::string process = program_invocation_short_name;
  std::string pid_text = fmt::format("{}", ::getpid());
  Settings settings;
  std::atomic<Level> level{Level::info};
  Output output;
  std::size_t batched = 0;  // bytes
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

constexpr int kFacilityMail = 2;

// RFC 5424 6.2.1.
int severity(Level level) {
  switch (level) {
    case Level::debug:
      return 7;
    case Level::info:
      return 6;
    case Level::warning:
      return 4;
    case Level::error:
      return 3;
  }
  return 6;
}

bool wants_json(const Settings& settings) {
  return settings.format == Format::json && settings.target != Target::journal;
}

// What is in front of a text line: everything on standard error, what log daemons read themselves
// otherwise.
std::string head(const Sink& s, Level level) {
  WallTime now = wall_now();
  std::string out;
  out.reserve(kLineUsual);
  switch (s.settings.target) {
    case Target::standard_error:
      if (wants_json(s.settings)) return out;
      append_rfc3339_ms(out, now);
      (out += ' ').append(s.process).append("[").append(s.pid_text).append("] ");
      out.append(name_of(level)) += ' ';
      return out;
    case Target::syslog: {  // the local form of RFC 3164, as syslog(3) sends it
      std::time_t seconds = std::chrono::system_clock::to_time_t(now);
      std::tm local{};
      char time[32];
      ::localtime_r(&seconds, &local);
      std::size_t size = std::strftime(time, sizeof time, "%b %e %H:%M:%S", &local);
      return fmt::format("<{}>{} postwain/{}[{}]: ", kFacilityMail * 8 + severity(level),
                         std::string_view(time, size), s.process, s.pid_text);
    }
    case Target::journal:
      return fmt::format(
          "PRIORITY={}\nSYSLOG_FACILITY={}\nSYSLOG_IDENTIFIER=postwain/{}\n"
          "SYSLOG_PID={}\nMESSAGE=",
          severity(level), kFacilityMail, s.process, s.pid_text);
  }
  return {};
}

void write_out(Sink& s) {
  s.batched = 0;
  s.output.flush();
  std::uint64_t dropped = s.output.take_dropped();
  if (dropped == 0) return;
  std::string line = head(s, Level::warning);
  line += wants_json(s.settings)
              ? fmt::format(R"({{"time":"{}","process":"{}","pid":{},"level":"warning",)"
                            R"("event":"log_dropped","lines":{}}})",
                            format_rfc3339_ms(wall_now()), s.process, s.pid_text, dropped)
              : fmt::format("log_dropped lines={}", dropped);
  s.output.take(line + '\n');
  s.output.flush();
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
  if (!value.empty() && is_plain(value, false)) {  // a reply, as a rule
    (out += '"').append(value) += '"';
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

bool setup(std::string process, Settings settings) {
  Sink& s = sink();
  std::lock_guard lock(s.mutex);
  s.process = std::move(process);
  s.pid_text = fmt::format("{}", ::getpid());
  s.level = settings.level;
  s.output.flush();
  bool reached = s.output.open(settings.target, settings.socket);
  if (!reached) settings.target = Target::standard_error;
  s.settings = std::move(settings);
  return reached;
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
  write_out(s);
}

Line::Line(Level level, std::string_view event) : level_(level), enabled_(level >= sink().level) {
  if (!enabled_) return;
  const Sink& s = sink();
  text_ = head(s, level);
  if (wants_json(s.settings)) {
    fmt::format_to(std::back_inserter(text_),
                   R"({{"time":"{}","process":"{}","pid":{},"level":"{}","event":"{}")",
                   format_rfc3339_ms(wall_now()), s.process, s.pid_text, name_of(level), event);
  } else {
    text_ += event;
  }
  if (s.settings.target == Target::journal)
    fields_ = fmt::format("POSTWAIN_PROCESS={}\nPOSTWAIN_EVENT={}\n", s.process, event);
}

Line::~Line() {
  if (!enabled_) return;
  Sink& s = sink();
  std::lock_guard lock(s.mutex);
  if (wants_json(s.settings)) text_ += '}';
  text_ += '\n';
  text_ += fields_;
  bool first = s.batched == 0;
  s.batched += text_.size();
  s.output.take(std::move(text_));
  if (s.request == nullptr || level_ >= Level::warning || s.batched >= kGatheredMax)
    write_out(s);
  else if (first)
    s.request(s.context);
}

void Line::begin_field(std::string_view key) {
  bool json = wants_json(sink().settings);
  text_ += json ? ",\"" : " ";
  text_ += key;
  text_ += json ? "\":" : "=";
  if (sink().settings.target != Target::journal) return;
  fields_ += "POSTWAIN_";
  for (char c : key) fields_ += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  fields_ += '=';
}

Line& Line::kv(std::string_view key, std::string_view value) {
  if (!enabled_) return *this;
  begin_field(key);
  if (wants_json(sink().settings))
    append_json_string(text_, value);
  else
    append_text_value(text_, value);
  if (!fields_.empty()) fields_ += printable(value, kValueMax) + '\n';
  return *this;
}

Line& Line::raw(std::string_view key, std::string_view value) {
  if (!enabled_) return *this;
  begin_field(key);
  text_ += value;
  if (!fields_.empty()) (fields_ += value) += '\n';
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
