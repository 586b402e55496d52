// Logins against the users file of the configuration. Hashes and key derivations run on a worker
// thread. An unknown name takes the same way as a known one: the same kind of hash is computed, the
// same questions are asked, and only the end tells.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "common/daemon/worker.h"
#include "common/sasl/users_file.h"
#include "smtpd/login.h"

namespace postwain::smtpd {

constexpr std::size_t kHashJobsMax = 200;         // waiting; beyond: 454
constexpr std::uint32_t kScramIterations = 4096;  // of keys made from a PLAIN password

class UsersLogin final : public LoginBackend {
 public:
  UsersLogin(net::Loop& loop, const std::vector<sasl::User>& users);

  std::string mechanisms(bool tls) const override;
  std::unique_ptr<Login> begin(const LoginRequest& request,
                               std::function<void(const LoginStep&)> on_step) override;

 private:
  friend class UsersFileLogin;
  const sasl::User* find(const std::string& name) const;

  std::unordered_map<std::string, sasl::User> users_;
  sasl::User nobody_;   // what an unknown name is compared with
  bool scram_ = true;   // every account can be checked by SCRAM
  std::string secret_;  // of this process, for the salts of unknown names and PLAIN passwords
  daemon::Worker worker_;
};

}  // namespace postwain::smtpd
