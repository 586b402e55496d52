#include "signer/user_link.h"

#include <algorithm>
#include <utility>

#include "common/base/text.h"
#include "common/log/log.h"

namespace postwain::signer {

UserLink::UserLink(net::Loop& loop, SigningDesk& desk, const ipc::SignerKeys& keys,
                   std::string peer, net::Stream stream, std::function<void(UserLink&)> on_end)
    : desk_(desk), keys_(keys.keys.size()), peer_(std::move(peer)) {
  connection_ = std::make_unique<daemon::IpcConnection>(
      loop, std::move(stream),
      daemon::IpcConnection::Callbacks{
          .on_frame = [this](ipc::FrameType type,
                             std::string_view payload) { return frame(type, payload); },
          .on_closed =
              [this, end = std::move(on_end)](const std::string& why) {
                log::Line(log::Level::info, "signing_link_down")
                    .kv("peer", peer_)
                    .kv("reason", why)
                    .kv("requests", open_.size());
                end(*this);
              },
          .on_drained = {},
      });
  connection_->limit_unread(kUnreadOfUsers);
  connection_->send(keys);
  desk_.add(*this);
}

UserLink::~UserLink() {
  desk_.remove(*this);
}

bool UserLink::frame(ipc::FrameType type, std::string_view payload) {
  ipc::SignRequest request;
  if (type != ipc::FrameType::sign_request || !ipc::decode(payload, request) || !is_valid(request))
    return false;
  std::size_t parts = request.parts.size();
  auto open = std::make_shared<Open>(Open{request.request, parts, {}, {}});
  open->signatures.resize(parts);
  for (std::size_t place = 0; place < parts; ++place) {
    ipc::SignRequest::Part& part = request.parts[place];
    waiting_.push_back({open, place, {part.key, std::move(part.hash)}});
  }
  parts_ += parts;
  open_.emplace(request.request, std::move(open));
  if (is_full()) connection_->pause(daemon::IpcConnection::Pause::work);
  desk_.look();
  return true;
}

bool UserLink::is_valid(const ipc::SignRequest& request) const {
  return !open_.contains(request.request) &&
         std::all_of(request.parts.begin(), request.parts.end(),
                     [this](const ipc::SignRequest::Part& part) { return part.key < keys_; });
}

// The link may be gone when it is signed; then nobody holds the request any more.
std::optional<Task> UserLink::next_task() {
  if (waiting_.empty()) return std::nullopt;
  Part part = std::move(waiting_.front());
  waiting_.pop_front();
  return Task{std::move(part.what), [this, of = std::weak_ptr<Open>(part.of),
                                     place = part.place](const Result<std::string>& signature) {
                if (auto open = of.lock()) answered(*open, place, signature);
              }};
}

void UserLink::answered(Open& open, std::size_t place, const Result<std::string>& signature) {
  if (signature)
    open.signatures[place] = *signature;
  else
    open.trouble = printable(signature.error().text, ipc::kSignerTroubleMax);
  if (--open.missing == 0) reply(open);
}

void UserLink::reply(Open& open) {
  bool was_full = is_full();
  ipc::SignReply message{open.request, std::move(open.signatures), std::move(open.trouble)};
  parts_ -= message.signatures.size();
  if (!message.trouble.empty()) message.signatures.clear();
  open_.erase(message.request);
  connection_->send(message);
  if (was_full && !is_full()) connection_->resume(daemon::IpcConnection::Pause::work);
}

bool UserLink::is_full() const {
  return open_.size() >= ipc::kSignRequestsOpenMax || parts_ >= kPartsOpenMax;
}

}  // namespace postwain::signer
