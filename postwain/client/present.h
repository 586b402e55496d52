// qmgr's JSON answers as text for people. Pure. What is missing in an answer is left out, so an
// older or newer qmgr is still readable.
#pragma once

#include <string>

namespace postwain::tool {

// One message of `queue list` with its recipients; with_header: the column titles above it.
// colours: for a terminal; what waits for a person stands out.
std::string message_line(const std::string& json, bool with_header, bool colours = false);
// `queue show`: everything there is, one thing a line.
std::string message_details(const std::string& json);
// Standard output is a terminal, and NO_COLOR is not set.
bool wants_colours();
std::string status_lines(const std::string& json);
// Any other value: "key  value" lines, nested keys joined with dots, lists of objects as tables.
std::string value_lines(const std::string& json);

std::string human_size(std::uint64_t bytes);  // "812 B", "4.1 KiB"

}  // namespace postwain::tool
