#include "common/daemon/signer_link.h"

#include <algorithm>

#include "common/log/log.h"

namespace postwain::daemon {

namespace {

// Why a request cannot be put into a frame for a signer with so many keys; empty: it can.
std::string_view wrong_with(const SignerPort::Parts& parts, std::size_t keys) {
  if (parts.empty() || parts.size() > ipc::kSignaturesMax)
    return "too many signatures, or none, are asked for at once";
  for (const ipc::SignRequest::Part& part : parts)
    if (part.key >= keys || part.hash.size() != ipc::kSignerHash)
      return "there is no such key, or that is no hash";
  return {};
}

}  // namespace

SignerLink::SignerLink(net::Loop& loop, std::function<void()> on_change)
    : loop_(loop), on_change_(std::move(on_change)) {}

SignerLink::~SignerLink() {
  loop_.forget_turn_end(this);
  loop_.forget_turn_end(&failed_);
}

void SignerLink::adopt(UniqueFd end) {
  auto stream = net::Stream::adopt(loop_, end.release());
  if (!stream) {
    log::Line(log::Level::error, "signer_link")
        .kv("state", "down")
        .kv("reason", stream.error().text);
    return;
  }
  if (signers_.size() >= kSignerConnectionsMax)
    take_out(*signers_.front().connection, "too many signers");
  // The place in the vector moves; what it points to does not.
  auto itself = std::make_shared<SignerConnection*>(nullptr);
  signers_.push_back(
      {std::make_unique<SignerConnection>(
           loop_, stream.take(),
           SignerConnection::Callbacks{
               .on_keys = [this, itself] { keys_came(**itself); },
               .on_lost = [this, itself](const std::string& why) { lost(**itself, why); },
               .on_idle = [this] { leave_idle(); },
           }),
       0});
  *itself = signers_.back().connection.get();
}

const SignerLink::Signer* SignerLink::current() const {
  auto found = std::find_if(signers_.rbegin(), signers_.rend(),
                            [](const Signer& one) { return one.connection->up(); });
  return found == signers_.rend() ? nullptr : &*found;
}

SignerConnection* SignerLink::find(std::uint64_t generation) const {
  auto found = std::find_if(signers_.rbegin(), signers_.rend(), [&](const Signer& one) {
    return one.connection->up() && one.generation == generation;
  });
  return found == signers_.rend() ? nullptr : found->connection.get();
}

const std::vector<ipc::SignerKey>* SignerLink::keys() const {
  const Signer* signer = current();
  return signer == nullptr ? nullptr : &signer->connection->keys();
}

std::uint64_t SignerLink::generation() const {
  const Signer* signer = current();
  return signer == nullptr ? 0 : signer->generation;
}

std::uint64_t SignerLink::sign(std::uint64_t generation, Parts parts, Done done) {
  std::uint64_t request = ++last_request_;
  SignerConnection* connection = find(generation);
  std::string_view wrong = connection == nullptr ? "the keys are not those of now any more"
                                                 : wrong_with(parts, connection->keys().size());
  if (wrong.empty() && connection->is_full()) wrong = "too much waits for signatures";
  if (wrong.empty())
    connection->sign(request, std::move(parts), std::move(done));
  else
    fail(request, std::move(done), std::string(wrong));
  return request;
}

void SignerLink::cancel(std::uint64_t request) {
  for (const Signer& one : signers_)
    if (one.connection->cancel(request)) return;
  std::erase_if(failed_, [&](const Failed& one) { return one.request == request; });
}

void SignerLink::keys_came(SignerConnection& connection) {
  if (last_generation_ == 0 || connection.keys() != last_keys_) {
    last_keys_ = connection.keys();
    ++last_generation_;
  }
  for (Signer& one : signers_)
    if (one.connection.get() == &connection) one.generation = last_generation_;
  log::Line(log::Level::info, "signer_link").kv("state", "up").kv("keys", connection.keys().size());
  leave_idle();
  look_whether_changed();
}

void SignerLink::lost(SignerConnection& connection, const std::string& why) {
  const Signer* now = current();
  bool was_current = now != nullptr && now->connection.get() == &connection;
  log::Line(was_current ? log::Level::warning : log::Level::info, "signer_link")
      .kv("state", was_current ? "down" : "replaced")
      .kv("reason", why);
  take_out(connection, "the process that signs mail has gone");
  look_whether_changed();
}

void SignerLink::take_out(const SignerConnection& connection, const std::string& why) {
  auto found = std::find_if(signers_.begin(), signers_.end(),
                            [&](const Signer& one) { return one.connection.get() == &connection; });
  if (found == signers_.end()) return;
  for (auto& [request, done] : found->connection->give_up()) fail(request, std::move(done), why);
  gone_.push_back(std::move(found->connection));
  signers_.erase(found);
  loop_.at_turn_end(this, [this] { gone_.clear(); });
}

void SignerLink::leave_idle() {
  const Signer* now = current();
  if (now == nullptr) return;
  std::vector<const SignerConnection*> idle;
  for (const Signer& one : signers_) {
    if (&one == now) break;  // what comes behind it is not up yet
    if (one.connection->is_idle()) idle.push_back(one.connection.get());
  }
  for (const SignerConnection* one : idle) take_out(*one, {});
}

void SignerLink::look_whether_changed() {
  std::uint64_t now = generation();
  if (std::exchange(told_generation_, now) != now && on_change_) on_change_();
}

void SignerLink::fail(std::uint64_t request, Done done, std::string why) {
  failed_.push_back({request, std::move(done), std::move(why)});
  loop_.at_turn_end(&failed_, [this] { tell_failed(); });
}

// Who is told may cancel others that stand here, so they are taken one by one.
void SignerLink::tell_failed() {
  for (std::size_t left = failed_.size(); left > 0 && !failed_.empty(); --left) {
    Failed one = std::move(failed_.front());
    failed_.pop_front();
    one.done(Error{std::move(one.why), 0});
  }
}

}  // namespace postwain::daemon
