// Logins against the users file of the configuration. Hashes and key derivations run on a worker
// thread.
//
// Who has an account is not told by time, by what is asked, or by another process. For a password
// one hash of each kind that the file has is computed, whoever the client says he is (kHashKindsMax
// of them). SCRAM's first answer needs no hash, unless the file holds a PLAIN password: then one is
// computed for everybody. Keys of names without an account are made from the name and a secret that
// all smtpd of this installation share and that outlives restarts; salt and iterations look like
// those of most accounts.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/daemon/worker.h"
#include "common/sasl/users_file.h"
#include "smtpd/login/login.h"

namespace postwain::smtpd {

constexpr std::size_t kHashJobsMax = 200;         // waiting; beyond: 454
constexpr std::size_t kHashKindsMax = 8;          // methods and costs; the rest cost what they cost
constexpr std::uint32_t kScramIterations = 4096;  // where the file has no SCRAM keys to look like

class UsersLogin final : public LoginBackend {
 public:
  // secret: see above; empty: one of this process alone.
  UsersLogin(net::Loop& loop, const std::vector<sasl::User>& users, std::string secret = {});

  std::string mechanisms(bool tls) const override;
  std::unique_ptr<Login> begin(const LoginRequest& request,
                               std::function<void(const LoginStep&)> on_step) override;

 private:
  friend class UsersFileLogin;
  const sasl::User* find(const std::string& name) const;
  void learn_kinds(const std::vector<sasl::User>& users);
  std::string invented(std::string_view what, const std::string& name, std::size_t size) const;
  sasl::ScramKeys invented_keys(const std::string& name) const;

  std::unordered_map<std::string, sasl::User> users_;
  sasl::User nobody_;                            // what an unknown name is compared with
  bool scram_ = true;                            // every account can be checked by SCRAM
  bool any_plain_ = false;                       // SCRAM keys have to be made for some
  std::uint32_t iterations_ = kScramIterations;  // of most accounts with SCRAM keys
  std::size_t salt_size_ = 16;                   // the same
  // One account for each method and cost of hashing.
  std::shared_ptr<const std::vector<sasl::User>> kinds_;
  std::string secret_;
  daemon::Worker worker_;
};

}  // namespace postwain::smtpd
