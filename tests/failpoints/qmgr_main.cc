// qmgr with one failpoint armed, once in the life of the file that is named at the end of the only
// line of SPOOL/failpoint:
//   POINT:kill|eio|enospc:NTH:/path/of/a/file
// The file is made when the point is armed; a later start finds it and arms nothing.
#include <cstdio>
#include <string>

#include <fcntl.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/text.h"
#include "common/daemon/daemon.h"

#include "qmgr/disk/failpoint.h"
#include "qmgr/qmgr.h"

namespace {

using namespace postwain::qmgr;

std::atomic<std::uint32_t> reached{0};

std::string cut(std::string& rest) {
  std::size_t colon = rest.find(':');
  std::string word = rest.substr(0, colon);
  rest = colon == std::string::npos ? std::string() : rest.substr(colon + 1);
  return word;
}

bool arm_from(std::string text) {
  std::string name = cut(text);
  std::string action = cut(text);
  auto nth = postwain::parse_decimal<std::uint32_t>(cut(text)).value_or(0);
  int fd = ::open(text.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
  if (fd < 0) return true;  // a later start
  ::close(fd);
  for (const FailpointInfo& info : kFailpoints) {
    if (info.name != name) continue;
    arm(info.point,
        action == "kill"  ? FailAction::kill
        : action == "eio" ? FailAction::io_error
                          : FailAction::no_space,
        nth, &reached);
    return true;
  }
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  postwain::daemon::Start start = postwain::daemon::begin("qmgr", argc, argv);
  auto wanted = postwain::read_small_file(start.config().spool_dir + "/failpoint");
  if (!wanted || !arm_from(*wanted)) {
    std::fprintf(stderr, "the spool has no file that names a failpoint\n");
    return 64;
  }
  return run(start);
}
