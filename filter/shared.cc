#include "filter/shared.h"

#include "filter/deciding/filter_rules.h"

namespace postwain::filter {

ipc::FilterWants wants_of(const Shared& shared) {
  ipc::FilterWants out;
  for (const ListenerName& listener : shared.listeners) {
    ipc::FilterWants::Listener wanted{listener.name, 0, false};
    for (const auto& filter : shared.filters) {
      if (!is_on(filter->settings(), listener.name, listener.kind)) continue;
      wanted.stages |= filter->awaited_stages();
      wanted.body = wanted.body || filter->wants_body();
    }
    if (wanted.stages != 0 && out.listeners.size() < ipc::kFilterListenersMax)
      out.listeners.push_back(std::move(wanted));
  }
  return out;
}

}  // namespace postwain::filter
