// `postwain filter check` and `postwain filter test`: whether the filters of the configuration can
// be asked, and what they would say of a message. The program `filter` does it as its own user, so
// what works here works there (filter/trial/trial.h); nothing comes of it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "postwain/client/client_options.h"

namespace postwain::tool {

struct FilterTestOptions {
  std::string message;  // a file, "-" for standard input, or the id of a message in the queue
  std::string sender;   // both: of the queue, or what the header section says
  std::vector<std::string> recipients;
  std::string client = "192.0.2.1";
  std::string hello = "client.invalid";
  std::string listener;  // of one [[listener]]; empty: the first one
};

// 0: all can be asked. 69: one cannot.
int filter_check_command(const ClientOptions& options);
// 0: the message would be accepted; 1: it would not.
int filter_test_command(const ClientOptions& options, const FilterTestOptions& test);

// For people, of the report's JSON. header: of the message as it was.
std::string filter_check_text(const std::string& report);
std::string filter_test_text(const std::string& report, std::string_view header,
                             std::string_view body);
// Lines that go ("-") and come ("+"), with what stays between (" "); beyond 2000 lines of either
// only how many there are.
std::string line_changes(std::string_view before, std::string_view after);

}  // namespace postwain::tool
