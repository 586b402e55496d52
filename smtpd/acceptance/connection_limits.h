// How many connections may be open, in all, per client (client_key) and per site (client_site).
// Counts this process only: with several smtpd workers each gets its share of what is configured
// (share_of), so together they keep the bound without speaking to each other, and a client may meet
// its bound a little early when its connections happen to meet in one worker. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>

namespace postwain::smtpd {

// Rounded up: at least 1, and never more than workers - 1 above the bound in all.
constexpr std::uint32_t share_of(std::uint32_t limit, std::uint32_t workers) {
  return workers <= 1 ? limit : limit / workers + (limit % workers != 0 ? 1 : 0);
}

class ConnectionLimits {
 public:
  enum class Verdict : std::uint8_t { admitted, too_many, too_many_from_client };

  ConnectionLimits(std::uint32_t total, std::uint32_t per_client)
      : total_max_(total), per_client_max_(per_client) {}

  // So many times the bound of a client is that of a site.
  static constexpr std::uint32_t kSiteFactor = 4;

  // Counts the connection when it is admitted. An empty key (Unix socket) has no bound of its own,
  // nor has an empty site (IPv4).
  Verdict admit(const std::string& key, const std::string& site = {});
  void release(const std::string& key, const std::string& site = {});  // once for each admitted
  std::uint32_t open() const { return open_; }

 private:
  using Counts = std::unordered_map<std::string, std::uint32_t>;
  static bool has_room(const Counts& counts, const std::string& key, std::uint64_t most);
  static void drop(Counts& counts, const std::string& key);

  std::uint32_t total_max_;
  std::uint32_t per_client_max_;
  std::uint32_t open_ = 0;
  Counts per_client_;
  Counts per_site_;
};

}  // namespace postwain::smtpd
