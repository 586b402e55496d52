// The link to one smtpd: its sessions by number. What smtpd must not say ends the link.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "common/daemon/ipc_connection.h"
#include "filter/session_chain.h"

namespace postwain::filter {

constexpr std::size_t kSessionsMax = 20'000;

class SmtpdLink final : private ChainPort {
 public:
  // on_end: once, later; the link may be destroyed from within.
  SmtpdLink(Shared& shared, std::string peer, net::Stream stream,
            std::function<void(SmtpdLink&)> on_end);
  ~SmtpdLink() override;

  const std::string& peer() const { return peer_; }
  void send_wants();
  // No message is to be begun here any more.
  void drain();
  // A message is under way, or may be on its way here.
  bool is_busy() const { return !nothing_more_ || in_message(); }
  bool in_message() const;
  std::size_t sessions() const { return sessions_.size(); }

 private:
  bool frame(ipc::FrameType type, std::string_view payload);
  bool open(std::string_view payload);
  bool event(std::string_view payload);
  bool header(std::string_view payload);
  bool body(std::string_view payload);
  bool window(std::string_view payload);
  bool abort(std::string_view payload);
  bool quit(std::string_view payload);
  bool nothing_more(std::string_view payload);
  SessionChain* find(std::uint64_t session);

  void send(const ipc::FilterAnswer& answer) override { connection_->send(answer); }
  void send(const ipc::FilterWindow& window) override { connection_->send(window); }
  void send(const ipc::FilterBodyPiece& piece) override { connection_->send(piece); }
  bool send(const ipc::FilterResult& result) override { return connection_->try_send(result); }

  Shared& shared_;
  std::string peer_;
  std::function<void(SmtpdLink&)> on_end_;
  std::unique_ptr<daemon::IpcConnection> connection_;
  std::unordered_map<std::uint64_t, std::unique_ptr<SessionChain>> sessions_;
  bool draining_ = false;
  bool nothing_more_ = false;  // its word for that has come
};

}  // namespace postwain::filter
