#include "common/daemon/signer_connection.h"

#include <algorithm>

#include "common/base/text.h"

namespace postwain::daemon {

namespace {

// What is put into header fields as d= and s=: letters of the DNS, and no other octet.
bool is_dns_name(std::string_view name) {
  return std::all_of(name.begin(), name.end(),
                     [](char c) { return is_alnum(c) || c == '-' || c == '_' || c == '.'; });
}

}  // namespace

SignerConnection::SignerConnection(net::Loop& loop, net::Stream stream, Callbacks callbacks)
    : callbacks_(std::move(callbacks)),
      ipc_(loop, std::move(stream),
           IpcConnection::Callbacks{
               .on_frame = [this](ipc::FrameType type,
                                  std::string_view payload) { return frame(type, payload); },
               .on_closed = [this](const std::string& why) { callbacks_.on_lost(why); },
               .on_drained = {},
           }) {}

void SignerConnection::sign(std::uint64_t request, SignerPort::Parts parts, SignerPort::Done done) {
  asked_.emplace(request, Asked{parts.size(), std::move(done)});
  ipc_.send(ipc::SignRequest{request, std::move(parts)});
}

bool SignerConnection::cancel(std::uint64_t request) {
  auto found = asked_.find(request);
  if (found == asked_.end()) return false;
  found->second.done = nullptr;
  return true;
}

SignerConnection::Waiting SignerConnection::give_up() {
  Waiting out;
  for (auto& [request, asked] : asked_)
    if (asked.done) out.emplace_back(request, std::move(asked.done));
  asked_.clear();
  return out;
}

bool SignerConnection::frame(ipc::FrameType type, std::string_view payload) {
  if (type == ipc::FrameType::signer_keys) return take_keys(payload);
  if (type == ipc::FrameType::sign_reply) return take_reply(payload);
  return false;
}

bool SignerConnection::take_keys(std::string_view payload) {
  ipc::SignerKeys message;
  if (keys_known_ || !ipc::decode(payload, message)) return false;
  for (const ipc::SignerKey& key : message.keys)
    if (!is_dns_name(key.domain) || !is_dns_name(key.selector)) return false;
  keys_ = std::move(message.keys);
  keys_known_ = true;
  callbacks_.on_keys();
  return true;
}

bool SignerConnection::take_reply(std::string_view payload) {
  ipc::SignReply reply;
  if (!ipc::decode(payload, reply)) return false;
  auto found = asked_.find(reply.request);
  if (found == asked_.end()) return false;
  bool is_signed = reply.trouble.empty();
  if (is_signed && reply.signatures.size() != found->second.parts) return false;
  SignerPort::Done done = std::move(found->second.done);
  asked_.erase(found);
  if (done && is_signed) done(std::move(reply.signatures));
  if (done && !is_signed) done(Error{"the signer: " + printable(reply.trouble), 0});
  if (asked_.empty()) callbacks_.on_idle();
  return true;
}

}  // namespace postwain::daemon
