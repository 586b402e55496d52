// Our log in the words of Postfix, for programs that count mail by its lines: pflogsumm, and what
// else reads "status=sent". Only what we know is said: times of stages, for one, stand elsewhere
// (trace). Pure, but for the command.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace postwain::tool {

struct LogEvent {
  std::string stamp;    // time and host, as Postfix's line begins
  std::string process;  // "smtpd"
  std::string pid;
  std::string event;
  std::map<std::string, std::string, std::less<>> fields;
};

// A line of ours as postwain-log(7) describes it: as text, as JSON, or as a log daemon wrote it.
// Nothing: it is none.
std::optional<LogEvent> parse_log_line(std::string_view line);

// No line, one or two, each with its end.
std::string postfix_lines(const LogEvent& event);

// Standard input to standard output, line by line.
int postfix_log_command();

}  // namespace postwain::tool
