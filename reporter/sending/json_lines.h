// The counts as they lie on the disk: JSON, a value a line.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

namespace postwain::reporter {

// Whatever the texts are, the line is ASCII.
std::string json_line(const nlohmann::json& value);

// read: of each line that is an object; it returns false, or throws json::exception, where that is
// no line of its kind. Tells how many lines could not be read.
std::size_t read_json_lines(std::string_view text,
                            const std::function<bool(const nlohmann::json&)>& read);

}  // namespace postwain::reporter
