#include "qmgr/dispatch/filter_relay.h"

#include <array>
#include <cerrno>
#include <utility>

#include <sys/socket.h>

#include "common/base/file.h"
#include "common/ipc/filter_report.h"
#include "common/log/log.h"

namespace postwain::qmgr {

namespace {

Result<std::array<UniqueFd, 2>> link_ends() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0)
    return system_error("socketpair", errno);
  return std::array{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

}  // namespace

void FilterRelay::connected(std::uint64_t peer, daemon::IpcConnection& connection,
                            const PeerIdentity& identity) {
  bool is_filter = identity.role == ipc::Role::filter;
  if (is_filter) board_.connected();
  if (!is_filter && receivers_.size() >= kLinkedReceiversMax) return;
  (is_filter ? filters_ : receivers_)[peer] = {&connection, identity.name.substr(0, kLinkNameMax)};
  link_all();
}

void FilterRelay::lost(std::uint64_t peer) {
  receivers_.erase(peer);
  if (filters_.erase(peer) == 0) return;
  board_.lost();
  link_all();
}

bool FilterRelay::frame(std::uint64_t peer, ipc::FrameType type, std::string_view payload) {
  ipc::FilterReport report;
  if (type != ipc::FrameType::filter_report || !filters_.contains(peer) ||
      !ipc::decode(payload, report))
    return false;
  board_.take(report, filters_.rbegin()->first == peer);
  return true;
}

void FilterRelay::link_all() {
  if (filters_.empty()) return again_.stop();
  auto& [number, filter] = *filters_.rbegin();
  bool all = true;
  for (auto& [peer, receiver] : receivers_)
    if (receiver.linked != number) all &= link(receiver, number, filter);
  if (adopt_own_ && own_linked_ != number) {
    UniqueFd end = link_to("qmgr", filter);
    all = all && end.get() >= 0;
    if (end.get() >= 0) {
      own_linked_ = number;
      adopt_own_(std::move(end));
    }
  }
  if (all) return again_.stop();
  if (!again_.active()) again_.start(kLinkAgain, [this] { link_all(); });
}

bool FilterRelay::link(Peer& receiver, std::uint64_t number, Peer& filter) {
  if (receiver.connection->pending() > kLinkBehind) return false;
  UniqueFd end = link_to(receiver.name, filter);
  if (end.get() < 0) return false;
  receiver.linked = number;
  receiver.connection->send(ipc::FilterLink{filter.name, {}}, std::move(end));
  return true;
}

UniqueFd FilterRelay::link_to(const std::string& name, Peer& filter) {
  if (filter.connection->pending() > kLinkBehind) return {};
  auto ends = link_ends();
  bool failed_before = std::exchange(failed_, !ends.ok());
  if (!ends) {
    if (!failed_before)
      log::Line(log::Level::warning, "no_filter_link")
          .kv("process", name)
          .kv("error", ends.error().text);
    return {};
  }
  auto [of_filter, other] = ends.take();
  filter.connection->send(ipc::FilterLink{name, {}}, std::move(of_filter));
  return std::move(other);
}

void FilterRelay::link_own(std::function<void(UniqueFd)> adopt) {
  adopt_own_ = std::move(adopt);
  link_all();
}

}  // namespace postwain::qmgr
