#include "qmgr/verdicts/filters_asked.h"

#include <algorithm>

namespace postwain::qmgr {

bool filters_asked(const config::Config& config, ipc::FilterKind kind) {
  std::string_view word = name_of(kind);
  auto asked = [&](const auto& one) { return config::is_on(one.on, word); };
  return std::any_of(config.filters.begin(), config.filters.end(), asked) ||
         std::any_of(config.content_rules.begin(), config.content_rules.end(), asked);
}

Duration filters_time(const config::Config& config, ipc::FilterKind kind) {
  std::string_view word = name_of(kind);
  Duration sum = std::chrono::minutes(1);  // for what is ours
  for (const config::Filter& filter : config.filters)
    if (filter.is_on(word)) sum += filter.timeout.message;
  return sum;
}

}  // namespace postwain::qmgr
