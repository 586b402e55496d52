#include "filter/judge.h"

#include "common/log/log.h"
#include "filter/deciding/filter_rules.h"

namespace postwain::filter {

bool Judge::is_on(std::string_view listener, ipc::FilterKind kind) const {
  return names_place(terms_.on, listener, kind);
}

void Judge::log_breaker() const {
  bool opens = breaker_.state() == Breaker::State::open;
  log::Line line(opens ? log::Level::warning : log::Level::info, "filter_breaker");
  line.kv("filter", name()).kv("state", name_of(breaker_.state()));
  if (opens) line.kv("seconds", breaker_.pause().count() / 1000);
}

void Judge::succeeded() {
  if (breaker_.succeeded()) log_breaker();
}

void Judge::failed(MonoTime now, Breaker::Leave leave) {
  if (breaker_.failed(now, leave)) log_breaker();
}

}  // namespace postwain::filter
