// The operator's and the users' command: postwain, and under other names sendmail and mailq.
#include "postwain/command_line.h"

int main(int argc, char** argv) {
  return postwain::tool::run_command_line(argc, argv);
}
