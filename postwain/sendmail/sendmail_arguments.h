// The arguments of sendmail(1) and mailq(1), in all the spellings programs have used for decades.
// Pure. What has no meaning here is taken and dropped, so that old callers go on working.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/mail/envelope.h"

namespace postwain::tool {

struct SendmailArguments {
  enum class Mode { deliver, list_queue, retry_queue, aliases, smtp, verify, help };

  Mode mode = Mode::deliver;
  std::string config_file;              // -C, --config; empty: the default
  bool recipients_from_header = false;  // -t; arguments are further recipients
  bool dot_is_data = false;             // -i, -oi: a line with a single dot does not end the input
  std::optional<std::string> sender;    // -f, -r; "<>" and "" are the null reverse-path
  std::string full_name;                // -F
  mail::Notify notify;                  // -N
  mail::DsnReturn ret = mail::DsnReturn::unspecified;  // -R
  std::string envid;                                   // -V
  std::vector<std::string> recipients;
  std::vector<std::string> not_addresses;  // options behind the first recipient: they are bounced

  // Set when the arguments cannot be obeyed; then the rest does not count.
  std::string error;
  int exit_code = 0;
};

std::string_view sendmail_usage();

// Without the program's name. as_mailq: called by that name.
SendmailArguments parse_sendmail_arguments(const std::vector<std::string>& arguments,
                                           bool as_mailq = false);

}  // namespace postwain::tool
