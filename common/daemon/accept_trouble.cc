#include "common/daemon/accept_trouble.h"

#include <utility>

#include <fmt/format.h>
#include <sys/resource.h>

#include "common/log/log.h"

namespace postwain::daemon {

void AcceptTrouble::note(const Status& status) {
  constexpr Duration kBetweenLines = std::chrono::minutes(1);
  if (status) {
    text_.clear();
    if (std::exchange(logged_, false)) log::Line(log::Level::info, "accepting_again");
    return;
  }
  rlimit limit{};
  (void)::getrlimit(RLIMIT_NOFILE, &limit);
  text_ = fmt::format("no more connections can be taken: {} (the limit is {} open files)",
                      status.error().text, std::uint64_t{limit.rlim_cur});
  if (mono_now() < next_line_) return;
  next_line_ = mono_now() + kBetweenLines;
  logged_ = true;
  log::Line(log::Level::error, "cannot_accept")
      .kv("error", status.error().text)
      .kv("limit", std::uint64_t{limit.rlim_cur});
}

}  // namespace postwain::daemon
