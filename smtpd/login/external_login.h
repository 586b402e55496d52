// AUTH EXTERNAL (RFC 4422 appendix A): the client is who its certificate says.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "smtpd/login/login.h"

namespace postwain::smtpd {

class ExternalLogin final : public Login {
 public:
  // accounts: of the client's certificate, not empty.
  ExternalLogin(std::vector<std::string> accounts, std::function<void(const LoginStep&)> on_step)
      : accounts_(std::move(accounts)), on_step_(std::move(on_step)) {}

  // The response is the authorization identity; an empty one means the certificate's first.
  void respond(std::optional<std::string> response) override {
    if (!response) return on_step_({LoginStep::Kind::challenge, {}});
    if (response->empty()) return on_step_({LoginStep::Kind::success, accounts_.front()});
    bool theirs = std::find(accounts_.begin(), accounts_.end(), *response) != accounts_.end();
    on_step_({theirs ? LoginStep::Kind::success : LoginStep::Kind::failure, *response});
  }

 private:
  std::vector<std::string> accounts_;
  std::function<void(const LoginStep&)> on_step_;
};

}  // namespace postwain::smtpd
