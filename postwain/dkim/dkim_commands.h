// `postwain dkim new`, `show`, `check` and `rotate`: keys that sign mail, their records in the DNS,
// and the change from one key to the next. At no moment does the configuration name a key that is
// not there, whatever ends a command; each may be given again.
#pragma once

#include <string>

#include "postwain/client/client_options.h"

namespace postwain::tool {

struct DkimOptions {
  std::string domain;
  std::string selector;
  std::string algorithm = "rsa";
  int bits = 0;  // 0: 2048
  std::string key_file;
  bool add = false;
  bool sign_now = false;
  bool force = false;
  bool no_reload = false;
};

// 0: the key is there. 73: its file, or that of the configuration, cannot be written.
int dkim_new_command(const ClientOptions& options, const DkimOptions& wanted);
// 66: there are no keys of the domain.
int dkim_show_command(const ClientOptions& options, const DkimOptions& wanted);
// 0: the DNS has what the keys need. 1: it has not, or does not say. 66: there are no keys.
int dkim_check_command(const ClientOptions& options, const DkimOptions& wanted);
// 0: a step is done. 75: the DNS has not all of it yet, and nothing was changed.
int dkim_rotate_command(const ClientOptions& options, const DkimOptions& wanted);

}  // namespace postwain::tool
