// The reports of the program `filter` (filter/trial/trial.h), as JSON, and what people are shown of
// them. Whatever they are, nothing here fails: what is not there is not shown.
#pragma once

#include <string>
#include <string_view>

namespace postwain::tool {

// Whether everything that was looked at can be used.
bool is_all_well(const std::string& report);
// For people. header, body: of the message as it was.
std::string filter_check_text(const std::string& report);
std::string filter_test_text(const std::string& report, std::string_view header,
                             std::string_view body);
// Lines that go ("-") and come ("+"), with what stays between (" "); beyond 2000 lines of either
// only how many there are.
std::string line_changes(std::string_view before, std::string_view after);

}  // namespace postwain::tool
