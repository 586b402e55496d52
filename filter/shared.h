// What all sessions of this process share.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/fair_share.h"
#include "common/ipc/filter_messages.h"
#include "common/net/loop.h"
#include "filter/body_store.h"
#include "filter/judge.h"

namespace postwain::filter {

struct ListenerName {
  std::string name;  // config::Listener::name()
  ipc::FilterKind kind = ipc::FilterKind::world;
};

// What has come of bodies and waits for filters, and again what waits for the slowest of them.
constexpr SharedRoom kAheadRoom{16U << 20, ipc::kFilterFirstWindow, ipc::kFilterWindow};

struct Shared {
  net::Loop& loop;
  Clock& clock;
  std::vector<std::unique_ptr<Judge>> judges{};  // in the order in which they are asked
  std::vector<ListenerName> listeners{};
  BodyRoom room{};
  std::size_t messages = 0;  // under way
  // Octets of a message that smtpd may be ahead of the filters with.
  std::size_t ahead_max() const { return fair_share(kAheadRoom, messages); }
  // The addresses of a host that an operator names; later or at once. Empty: every host is an
  // address.
  std::function<void(const std::string& host, std::function<void(std::vector<std::string>)>)>
      lookup{};
  std::function<void()> wants_changed{};  // a filter wants to hear something else than before
};

// The judge of that name; null: there is none.
Judge* find_judge(const Shared& shared, const std::string& name);
// What qmgr is to be told of all of them.
ipc::FilterReport report_of(const Shared& shared);
// What smtpd is to tell, as far as it is known now.
ipc::FilterWants wants_of(const Shared& shared);

}  // namespace postwain::filter
