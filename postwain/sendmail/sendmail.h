// sendmail(1), mailq(1): a message of a local program from standard input into the queue. Exit 0
// only after qmgr's 250.
#pragma once

#include <string>
#include <vector>

namespace postwain::tool {

// arguments: without the program's name. config_file: where neither -C nor --config names one.
int sendmail_command(const std::vector<std::string>& arguments, const std::string& config_file,
                     bool as_mailq);

}  // namespace postwain::tool
