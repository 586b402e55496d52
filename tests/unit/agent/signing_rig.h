// A signer without a process, and what a message that came over the wire is worth to a verifier.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/content/header_form.h"
#include "common/daemon/signer_port.h"
#include "common/net/loop.h"
#include "tests/unit/authentication/dkim/dkim_rig.h"

namespace postwain::agent::test {

namespace dkim = authentication::dkim;

// Keys of a.example: "rsa" and "sel" (Ed25519).
inline std::vector<ipc::SignerKey> both_keys() {
  return {{"a.example", "sel", ipc::SigningAlgorithm::ed25519_sha256, true},
          {"a.example", "rsa", ipc::SigningAlgorithm::rsa_sha256, true}};
}

class FakeSigner : public daemon::SignerPort {
 public:
  explicit FakeSigner(net::Loop& loop) : loop_(loop) {}
  ~FakeSigner() override { loop_.forget_turn_end(this); }

  const std::vector<ipc::SignerKey>* keys() const override { return here ? &list : nullptr; }
  std::uint64_t generation() const override { return here ? generation_now : 0; }
  std::uint64_t sign(std::uint64_t generation, Parts parts, Done done) override {
    REQUIRE_FALSE(parts.empty());
    asked.push_back(parts);
    waiting_[++last_] = {generation, std::move(parts), std::move(done)};
    if (answers) loop_.at_turn_end(this, [this] { answer(); });
    return last_;
  }
  void cancel(std::uint64_t request) override { cancelled += waiting_.erase(request); }

  // What is asked now and was not answered.
  void answer() {
    for (auto& [number, one] : std::exchange(waiting_, {})) one.done(signatures(one));
  }
  std::size_t waiting() const { return waiting_.size(); }

  bool here = true;
  bool answers = true;
  std::optional<std::string> trouble{};
  std::uint64_t generation_now = 1;
  std::vector<ipc::SignerKey> list = both_keys();
  std::vector<Parts> asked;
  std::size_t cancelled = 0;

 private:
  struct Waiting {
    std::uint64_t generation = 0;
    Parts parts;
    Done done;
  };
  Result<std::vector<std::string>> signatures(const Waiting& one) const {
    if (trouble) return Error{*trouble};
    if (!here || one.generation != generation_now) return Error{"other keys"};
    std::vector<std::string> out;
    for (const auto& part : one.parts) {
      REQUIRE(part.hash.size() == ipc::kSignerHash);
      bool is_rsa = list.at(part.key).algorithm == ipc::SigningAlgorithm::rsa_sha256;
      out.push_back(*(is_rsa ? dkim::test::rsa() : dkim::test::ed25519()).sign_digest(part.hash));
    }
    return out;
  }

  net::Loop& loop_;
  std::map<std::uint64_t, Waiting> waiting_;
  std::uint64_t last_ = 0;
};

// "rsa:pass sel:pass", in the order of the fields.
inline std::string verdicts_of(std::string_view message, dkim::test::Zone zone = {}) {
  std::size_t from = 0;
  mail::HeaderEnd end = mail::find_header_end(message, from, true);
  if (zone.empty()) zone = dkim::test::usual_zone();
  std::string out;
  for (const dkim::SignatureResult& one : dkim::test::verified(
           {std::string(message.substr(0, end.header)), std::string(message.substr(end.body))},
           zone))
    out += (out.empty() ? "" : " ") + one.selector + ":" + std::string(name_of(one.verdict)) +
           (one.reason.empty() ? "" : "(" + one.reason + ")");
  return out;
}

}  // namespace postwain::agent::test
