// The operator's and the users' command: postwain, and under other names sendmail and mailq.
#include "common/base/standard_streams.h"
#include "postwain/command_line/command_line.h"

int main(int argc, char** argv) {
  postwain::fill_standard_streams();
  return postwain::tool::run_command_line(argc, argv);
}
