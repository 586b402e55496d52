#include "signer/signer_process.h"

#include <algorithm>
#include <utility>

#include "common/log/log.h"

namespace postwain::signer {

namespace {

constexpr Duration kLookEvery = std::chrono::milliseconds(50);

bool is_empty(const ipc::SignerReport& report) {
  return report.cached == 0 && report.failed == 0 &&
         std::all_of(report.made.begin(), report.made.end(), [](auto n) { return n == 0; });
}

void link_failed(const std::string& peer, std::string_view reason) {
  log::Line(log::Level::warning, "signing_link_failed").kv("peer", peer).kv("reason", reason);
}

}  // namespace

SignerProcess::SignerProcess(net::Loop& loop, Setup setup)
    : loop_(loop),
      offered_(std::move(setup.ring.offered)),
      desk_(loop, std::move(setup.ring.keys), setup.threads),
      timer_(loop),
      reports_(loop) {
  if (setup.qmgr_socket.empty()) return;
  qmgr_ = std::make_unique<daemon::QmgrLink>(
      loop, setup.qmgr_socket, ipc::Role::signer, setup.name,
      daemon::QmgrLink::Callbacks{
          .on_up =
              [ready = std::move(setup.on_ready)](const ipc::Welcome&) {
                if (ready) ready();
              },
          .on_down = {},  // the links to those who have mail signed stand without it
          .on_frame = [this](ipc::FrameType type,
                             std::string_view payload) { return frame(type, payload); },
          .on_drained = {},
      });
  reports_.repeat(kReportEvery, [this] { report(); });
}

SignerProcess::~SignerProcess() = default;

bool SignerProcess::frame(ipc::FrameType type, std::string_view payload) {
  ipc::PeerLink link;
  if (type != ipc::FrameType::peer_link || !ipc::decode(payload, link)) return false;
  UniqueFd descriptor = qmgr_->take_descriptor(link.file);
  if (drained_) return true;  // whoever it is finds its end closed, and waits for the next signer
  if (!descriptor) {
    link_failed(link.peer, "no descriptor came with it");
    return true;
  }
  auto stream = net::Stream::adopt(loop_, descriptor.release());
  if (stream)
    take_link(link.peer, stream.take());
  else
    link_failed(link.peer, stream.error().text);
  return true;
}

void SignerProcess::take_link(const std::string& peer, net::Stream stream) {
  if (links_.size() >= kLinksMax) return link_failed(peer, "too many links");
  log::Line(log::Level::info, "signing_link_up").kv("peer", peer).kv("keys", offered_.keys.size());
  links_.push_back(std::make_unique<UserLink>(
      loop_, desk_, offered_, peer, std::move(stream), [this](UserLink& gone) {
        std::erase_if(links_, [&](const auto& link) { return link.get() == &gone; });
      }));
}

// While qmgr is away the counts wait for it.
void SignerProcess::report() {
  if (!qmgr_ || !qmgr_->up()) return;
  ipc::SignerReport counts = desk_.take_counts();
  if (!is_empty(counts)) qmgr_->send(counts);
}

void SignerProcess::drain(std::function<void()> done) {
  drained_ = std::move(done);
  drain_until_ = mono_now() + kDrainMax;
  timer_.repeat(kLookEvery, [this] { look_whether_drained(); });
  look_whether_drained();
}

void SignerProcess::look_whether_drained() {
  if (!links_.empty() && mono_now() < drain_until_) return;
  timer_.stop();
  report();
  drained_();
}

}  // namespace postwain::signer
