// Logins against a running Dovecot, over its authentication socket. One connection for all sessions
// of this process; it is made again whenever it is lost, and AUTH is not announced meanwhile.
#pragma once

#include <string>
#include <unordered_map>

#include "common/net/stream.h"
#include "common/sasl/dovecot_lines.h"
#include "smtpd/login/login.h"

namespace postwain::smtpd {

class DovecotExchange;

class DovecotLogin final : public LoginBackend {
 public:
  DovecotLogin(net::Loop& loop, std::string socket_path);
  ~DovecotLogin() override;
  DovecotLogin(const DovecotLogin&) = delete;
  DovecotLogin& operator=(const DovecotLogin&) = delete;

  std::string mechanisms(bool tls) const override;
  std::unique_ptr<Login> begin(const LoginRequest& request,
                               std::function<void(const LoginStep&)> on_step) override;

 private:
  friend class DovecotExchange;

  void connect();
  void connected(const Status& status);
  void received(std::string_view bytes);
  bool line(const sasl::DovecotLine& line);  // false: the connection was given up
  void notify(std::uint32_t id, const LoginStep& step);
  void lost(const std::string& why);

  net::Loop& loop_;
  std::string socket_path_;
  net::Stream stream_;
  net::Timer retry_;
  Duration pause_{};
  std::string in_;
  std::string mechanisms_;
  bool ready_ = false;
  bool away_logged_ = false;  // that Dovecot is away; once
  std::uint32_t next_id_ = 0;
  std::unordered_map<std::uint32_t, DovecotExchange*> exchanges_;
};

}  // namespace postwain::smtpd
