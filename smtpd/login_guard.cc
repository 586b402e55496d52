#include "smtpd/login_guard.h"

#include <arpa/inet.h>

#include <cstring>

namespace postwain::smtpd {

namespace {

constexpr Duration kForgetEvery = std::chrono::minutes(1);

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

double LoginGuard::missing(const Bucket& bucket, MonoTime now) const {
  double refilled = static_cast<double>(failures_) *
                    static_cast<double>((now - bucket.at).count()) /
                    static_cast<double>(period_.count());
  return refilled >= bucket.missing ? 0 : bucket.missing - refilled;
}

bool LoginGuard::locked(const std::string& network, MonoTime now) const {
  auto found = buckets_.find(network);
  return found != buckets_.end() && missing(found->second, now) > failures_ - 1.0;
}

void LoginGuard::failed(const std::string& network, MonoTime now) {
  forget(now);
  if (buckets_.size() >= kNetworksMax && !buckets_.contains(network)) return;
  Bucket& bucket = buckets_[network];
  bucket.missing = missing(bucket, now) + 1;
  bucket.at = now;
}

void LoginGuard::forget(MonoTime now) {
  if (now < next_forget_) return;
  next_forget_ = now + kForgetEvery;
  std::erase_if(buckets_, [&](const auto& entry) { return missing(entry.second, now) <= 0; });
}

}  // namespace postwain::smtpd
