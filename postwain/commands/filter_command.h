// `postwain filter check` and `postwain filter test`: whether the filters of the configuration can
// be asked, and what they would say of a message. The program `filter` does it as its own user, so
// what works here works there (filter/trial/trial.h); nothing comes of it.
#pragma once

#include <string>
#include <vector>

#include "postwain/client/client_options.h"

namespace postwain::tool {

struct FilterTestOptions {
  std::string message;  // a file, "-" for standard input, or the id of a message in the queue
  std::string sender;   // both: of the queue, or what the header section says
  std::vector<std::string> recipients;
  // Empty: as the message in the queue came, or a stranger (192.0.2.1, client.invalid).
  std::string client;
  std::string hello;
  std::string listener;  // of one [[listener]]; empty: the first one
};

// 0: all can be asked. 69: one cannot.
int filter_check_command(const ClientOptions& options);
// 0: the message would be accepted; 1: it would not.
int filter_test_command(const ClientOptions& options, const FilterTestOptions& test);

}  // namespace postwain::tool
