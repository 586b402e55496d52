#include "filter/shared.h"

namespace postwain::filter {

Judge* find_judge(const Shared& shared, const std::string& name) {
  for (const auto& judge : shared.judges)
    if (judge->name() == name) return judge.get();
  return nullptr;
}

ipc::FilterReport report_of(const Shared& shared) {
  ipc::FilterReport out;
  for (const auto& judge : shared.judges) judge->report_to(out);
  return out;
}

ipc::FilterWants wants_of(const Shared& shared) {
  ipc::FilterWants out;
  for (const ListenerName& listener : shared.listeners) {
    ipc::FilterWants::Listener wanted{listener.name, 0, false};
    for (const auto& judge : shared.judges) {
      if (!judge->is_on(listener.name, listener.kind)) continue;
      wanted.stages |= judge->awaited_stages();
      wanted.body = wanted.body || judge->wants_body();
    }
    if (wanted.stages != 0 && out.listeners.size() < ipc::kFilterListenersMax)
      out.listeners.push_back(std::move(wanted));
  }
  return out;
}

}  // namespace postwain::filter
