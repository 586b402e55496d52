// Keys, and a process that has mail signed, over a real socket.
#pragma once

#include <catch2/catch.hpp>

#include <sys/socket.h>

#include <csignal>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/base/time.h"
#include "common/daemon/ipc_connection.h"
#include "common/ipc/signer_messages.h"
#include "common/tls/signing_key.h"
#include "common/tls/verifying_key.h"
#include "signer/key_ring.h"

namespace postwain::signer::test {

using namespace std::chrono_literals;

// One of each algorithm, made once.
inline const std::string& rsa_pem() {
  static const std::string pem = tls::new_private_key(tls::KeyKind::rsa_2048).take();
  return pem;
}
inline const std::string& ed25519_pem() {
  static const std::string pem = tls::new_private_key(tls::KeyKind::ed25519).take();
  return pem;
}
inline config::DkimKey row(const std::string& selector, const std::string& pem) {
  config::DkimKey out;
  out.domain = "example.org";
  out.selector = selector;
  out.key = "/keys/" + selector;
  out.key_pem = pem;
  return out;
}
// Number 0 is the RSA key.
inline KeyRing both_keys() {
  return open_keys({row("rsa", rsa_pem()), row("ed", ed25519_pem())}).take();
}
inline bool verifies(const std::string& pem, const std::string& hash,
                     const std::string& signature) {
  auto key = tls::SigningKey::from_pem(pem).take();
  bool rsa = key.algorithm() == "rsa-sha256";
  auto open =
      rsa ? tls::VerifyingKey::rsa(key.public_key()) : tls::VerifyingKey::ed25519(key.public_key());
  return open->verifies(hash, signature);
}
inline std::string hash_number(std::size_t number) {
  std::string out(ipc::kSignerHash, '\0');
  for (std::size_t i = 0; i < sizeof number; ++i)
    out[i] = static_cast<char>(number >> (8 * i) & 0xff);
  return out;
}

// False: not within that time.
inline bool until(net::Loop& loop, const std::function<bool()>& done, Duration limit = 60s) {
  MonoTime end = mono_now() + limit;
  net::Timer look(loop);
  look.repeat(1ms, [&] {
    if (done() || mono_now() > end) loop.stop();
  });
  if (!done()) loop.run();
  return done();
}

// The ends of a connection: the signer's, and that of a user, who keeps what comes.
class PlayedUser {
 public:
  explicit PlayedUser(net::Loop& loop) {
    std::signal(SIGPIPE, SIG_IGN);  // as daemon::begin does
    int fds[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    signers_end = net::Stream::adopt(loop, fds[0]).take();
    connection_ = std::make_unique<daemon::IpcConnection>(
        loop, net::Stream::adopt(loop, fds[1]).take(),
        daemon::IpcConnection::Callbacks{
            .on_frame = [this](ipc::FrameType type,
                               std::string_view payload) { return take(type, payload); },
            .on_closed = [this](const std::string&) { closed = true; },
            .on_drained = {}});
  }
  template <class Message>
  void say(const Message& message) {
    connection_->send(message);
  }
  void say_octets(const std::string& octets) { connection_->send_frames(octets); }
  void ask(std::uint64_t request, std::vector<ipc::SignRequest::Part> parts) {
    say(ipc::SignRequest{request, std::move(parts)});
  }
  void stop_reading() { connection_->pause(daemon::IpcConnection::Pause::work); }
  void go_on_reading() { connection_->resume(daemon::IpcConnection::Pause::work); }

  net::Stream signers_end;
  std::vector<ipc::SignerKeys> keys;  // those that have come
  std::vector<ipc::SignReply> replies;
  bool closed = false;

 private:
  bool take(ipc::FrameType type, std::string_view payload) {
    if (type == ipc::FrameType::signer_keys) {
      CHECK(replies.empty());  // it speaks first
      return ipc::decode(payload, keys.emplace_back());
    }
    REQUIRE(type == ipc::FrameType::sign_reply);
    return ipc::decode(payload, replies.emplace_back());
  }
  std::unique_ptr<daemon::IpcConnection> connection_;
};

}  // namespace postwain::signer::test
