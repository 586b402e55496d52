#include "common/sasl/client_scram.h"

#include <fmt/format.h>

#include "common/base/text.h"
#include "common/sasl/compare.h"
#include "common/sasl/scram_text.h"

namespace postwain::sasl {

namespace {

class ClientScram final : public ClientExchange {
 public:
  ClientScram(bool plus, ClientLogin login) : login_(std::move(login)) {
    // "y": we could bind, and believe that the server cannot. Should it have offered to, somebody
    // in between has cut that out, and the server will notice.
    bool could = !login_.bindings.exporter.empty() || !login_.bindings.end_point.empty();
    gs2_header_ = could && !login_.plus_offered ? "y,," : "n,,";
    if (!plus) return;
    bool exporter = !login_.bindings.exporter.empty();
    gs2_header_ = exporter ? "p=tls-exporter,," : "p=tls-server-end-point,,";
    binding_ = exporter ? login_.bindings.exporter : login_.bindings.end_point;
  }

  std::optional<std::string> initial() override {
    client_first_ = fmt::format("n={},r={}", gs2_name(login_.user), login_.nonce);
    return gs2_header_ + client_first_;
  }

  std::optional<std::string> respond(std::string_view challenge) override {
    switch (state_) {
      case State::first:
        return server_first(challenge);
      case State::final:
        return server_final(challenge);
      case State::proven:
        break;
    }
    return give_up("a challenge behind the last of SCRAM");
  }

  bool may_succeed() const override { return state_ == State::proven; }

 private:
  enum class State : std::uint8_t { first, final, proven };

  // server-first-message = "r=" nonce ",s=" base64 ",i=" iterations ["," extensions]
  std::optional<std::string> server_first(std::string_view message) {
    std::string_view rest = message;
    auto nonce = take_attribute(rest, 'r');
    auto salt = nonce ? take_attribute(rest, 's') : std::nullopt;
    auto count = salt ? take_attribute(rest, 'i') : std::nullopt;
    if (!count) return give_up("the next hop's first message of SCRAM cannot be read");
    auto octets = base64_decode(*salt);
    auto iterations = parse_decimal<std::uint32_t>(*count);
    bool ours = nonce->size() > login_.nonce.size() &&
                nonce->substr(0, login_.nonce.size()) == login_.nonce && is_scram_nonce(*nonce);
    if (!ours) return give_up("the next hop's nonce of SCRAM is not built on ours");
    if (!octets || octets->empty() || !iterations || *iterations == 0)
      return give_up("the next hop's first message of SCRAM cannot be read");
    if (*iterations > kScramIterationsMax)
      return give_up(fmt::format("the next hop wants {} iterations of SCRAM, more than {}",
                                 *iterations, kScramIterationsMax));
    const Digest& digest = *login_.digest;
    std::string salted = digest.pbkdf2_sha256(login_.secret, *octets, *iterations);
    ScramKeys keys = scram_keys(digest, salted, *octets, *iterations);
    std::string last = fmt::format("c={},r={}", base64_encode(gs2_header_ + binding_), *nonce);
    std::string signed_text = fmt::format("{},{},{}", client_first_, message, last);
    std::string proof = exclusive_or(digest.hmac_sha256(salted, "Client Key"),
                                     digest.hmac_sha256(keys.stored_key, signed_text));
    server_signature_ = digest.hmac_sha256(keys.server_key, signed_text);
    state_ = State::final;
    return fmt::format("{},p={}", last, base64_encode(proof));
  }

  // server-final-message = ("e=" error / "v=" base64) ["," extensions]
  std::optional<std::string> server_final(std::string_view message) {
    std::string_view rest = message;
    if (auto error = take_attribute(rest, 'e'))
      return give_up(fmt::format("the next hop says: {}", printable(*error, 100)));
    auto signature = take_attribute(rest, 'v');
    auto octets = signature ? base64_decode(*signature) : std::nullopt;
    if (!octets || !same_secret(*octets, server_signature_))
      return give_up("the next hop does not prove that it knows the password");
    state_ = State::proven;
    return std::string();
  }

  ClientLogin login_;
  State state_ = State::first;
  std::string gs2_header_;
  std::string binding_;
  std::string client_first_;
  std::string server_signature_;
};

}  // namespace

std::string gs2_name(std::string_view name) {
  std::string out;
  for (char c : name) {
    if (c == ',')
      out += "=2C";
    else if (c == '=')
      out += "=3D";
    else
      out += c;
  }
  return out;
}

std::unique_ptr<ClientExchange> new_client_scram(bool plus, ClientLogin login) {
  return std::make_unique<ClientScram>(plus, std::move(login));
}

}  // namespace postwain::sasl
