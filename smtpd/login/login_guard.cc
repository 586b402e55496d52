#include "smtpd/login/login_guard.h"

#include <arpa/inet.h>

#include <cstring>

#include "smtpd/acceptance/client_address.h"

namespace postwain::smtpd {

namespace {

std::string account_at(const std::string& client, const std::string& account) {
  return client_key(client) + '\0' + account;
}

}  // namespace

std::string login_network(const std::string& plain_address) {
  unsigned char bytes[16];
  char text[INET6_ADDRSTRLEN];
  if (inet_pton(AF_INET, plain_address.c_str(), bytes) == 1) {
    bytes[3] = 0;
    return std::string(inet_ntop(AF_INET, bytes, text, sizeof text)) + "/24";
  }
  if (inet_pton(AF_INET6, plain_address.c_str(), bytes) != 1) return plain_address;
  std::memset(bytes + 7, 0, 9);
  return std::string(inet_ntop(AF_INET6, bytes, text, sizeof text)) + "/56";
}

LoginGuard::Attempt LoginGuard::begin(const std::string& client, MonoTime now) {
  using Standing = Attempt::Standing;
  const std::string address = client_key(client);
  const bool known = knows(address, now);
  const bool open = addresses_.has(address, 1, rate_, now) &&
                    (known || networks_.has(login_network(client), 1, of_network_, now));
  if (!open) return {this, client, known ? Standing::for_known : Standing::refused};
  addresses_.take(address, 1, rate_, now);
  return {this, client, Standing::counted};
}

void LoginGuard::learn(const std::string& key, MonoTime now) {
  auto [at, is_new] = known_.try_emplace(key);
  if (!is_new) seen_.erase(at->second);
  at->second = seen_.insert(seen_.end(), {key, now});
  while (known_.size() > kKnownMax || seen_.front().second + kKnownFor < now) {
    known_.erase(seen_.front().first);
    seen_.pop_front();
  }
}

bool LoginGuard::knows(const std::string& key, MonoTime now) const {
  auto found = known_.find(key);
  return found != known_.end() && now <= found->second->second + kKnownFor;
}

LoginGuard::Attempt::Attempt(Attempt&& other) noexcept
    : guard_(std::exchange(other.guard_, nullptr)),
      client_(std::move(other.client_)),
      standing_(std::exchange(other.standing_, Standing::free)) {}

LoginGuard::Attempt& LoginGuard::Attempt::operator=(Attempt&& other) noexcept {
  if (this == &other) return *this;
  give_back();
  guard_ = std::exchange(other.guard_, nullptr);
  client_ = std::move(other.client_);
  standing_ = std::exchange(other.standing_, Standing::free);
  return *this;
}

void LoginGuard::Attempt::give_back() {
  if (guard_ != nullptr && standing_ == Standing::counted)
    guard_->addresses_.give_back(client_key(client_), 1, guard_->rate_);
  standing_ = Standing::free;
}

void LoginGuard::Attempt::failed(const std::string& account, MonoTime now) {
  const Standing standing = std::exchange(standing_, Standing::free);
  if (guard_ == nullptr) return;
  // The address has paid at the beginning.
  if (standing == Standing::counted)
    guard_->networks_.take(login_network(client_), 1, guard_->of_network_, now);
  const std::string who = account_at(client_, account);
  if (standing == Standing::for_known && guard_->knows(who, now))
    guard_->accounts_.take(who, 1, guard_->rate_, now);
}

bool LoginGuard::Attempt::may_succeed(const std::string& account, MonoTime now) const {
  if (guard_ == nullptr || !is_for_known()) return true;
  const std::string who = account_at(client_, account);
  return guard_->knows(who, now) && guard_->accounts_.has(who, 1, guard_->rate_, now);
}

void LoginGuard::Attempt::succeeded(const std::string& account, MonoTime now) {
  give_back();
  if (guard_ == nullptr) return;
  guard_->learn(client_key(client_), now);
  guard_->learn(account_at(client_, account), now);
}

}  // namespace postwain::smtpd
