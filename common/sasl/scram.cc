// SCRAM-SHA-256 (RFC 5802, 7677): the server never sees the password, and the client learns that
// the server knows it.
#include <fmt/format.h>

#include "common/base/text.h"
#include "common/sasl/compare.h"
#include "common/sasl/exchange.h"
#include "common/sasl/scram_text.h"

namespace postwain::sasl {

namespace {

// saslname = 1*(value-safe-char / "=2C" / "=3D")
std::optional<std::string> decode_name(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '=') {
      out += text[i];
      continue;
    }
    std::string_view code = text.substr(i, 3);
    if (code != "=2C" && code != "=3D") return std::nullopt;
    out += code == "=2C" ? ',' : '=';
    i += 2;
  }
  if (out.empty() || out.size() > kNameMax || out.find('\0') != std::string::npos ||
      !is_valid_utf8(out))
    return std::nullopt;
  return out;
}

class Scram final : public Exchange {
 public:
  explicit Scram(ScramOptions options) : options_(std::move(options)) {}

  Step respond(std::optional<std::string_view> response) override {
    if (!response) return {state_ == State::first ? Step::Kind::challenge : Step::Kind::failure};
    switch (state_) {
      case State::first:
        return client_first(*response);
      case State::final:
        return client_final(*response);
      case State::proven:
        state_ = State::over;
        return {response->empty() ? Step::Kind::success : Step::Kind::failure};
      case State::asked:
      case State::over:
        break;
    }
    return {};
  }

  Step supply(const ScramKeys& keys) override {
    keys_ = keys;
    nonce_ += options_.nonce;
    server_first_ =
        fmt::format("r={},s={},i={}", nonce_, base64_encode(keys_.salt), keys_.iterations);
    state_ = State::final;
    return {Step::Kind::challenge, server_first_};
  }

  Step approve(bool) override { return {}; }

 private:
  enum class State : std::uint8_t { first, asked, final, proven, over };

  // client-first-message = gs2-header client-first-message-bare
  // gs2-header = gs2-cbind-flag "," [ "a=" saslname ] ","
  Step client_first(std::string_view message) {
    state_ = State::over;
    std::string_view rest = message;
    std::size_t comma = rest.find(',');
    if (comma == std::string_view::npos || !take_binding(rest.substr(0, comma))) return {};
    rest.remove_prefix(comma + 1);
    std::string_view authorized;
    if (!rest.empty() && rest.front() == ',') {
      rest.remove_prefix(1);
    } else {
      auto value = take_attribute(rest, 'a');
      if (!value) return {};
      authorized = *value;
    }
    gs2_header_ = message.substr(0, message.size() - rest.size());
    client_first_ = rest;
    // A mandatory extension ("m=") is one we do not know.
    auto name = take_attribute(rest, 'n');
    auto nonce = name ? take_attribute(rest, 'r') : std::nullopt;
    if (!nonce || !is_scram_nonce(*nonce)) return {};
    auto user = decode_name(*name);
    if (!user || (!authorized.empty() && authorized != *name)) return {};
    user_ = *std::move(user);
    nonce_ = *nonce;
    state_ = State::asked;
    return {Step::Kind::keys};
  }

  // gs2-cbind-flag = ("p=" cb-name) / "n" / "y"
  bool take_binding(std::string_view flag) {
    if (flag == "n") return !options_.plus;
    if (flag == "y") return !options_.plus && !options_.plus_offered;
    if (!options_.plus || flag.substr(0, 2) != "p=") return false;
    const ChannelBindings& bindings = options_.bindings;
    std::string_view kind = flag.substr(2);
    binding_ = kind == "tls-exporter"           ? bindings.exporter
               : kind == "tls-unique"           ? bindings.unique
               : kind == "tls-server-end-point" ? bindings.end_point
                                                : std::string();
    return !binding_.empty();
  }

  // client-final-message = "c=" base64 ",r=" nonce ["," extensions] ",p=" base64
  Step client_final(std::string_view message) {
    state_ = State::over;
    std::size_t proof_at = message.rfind(",p=");
    if (proof_at == std::string_view::npos) return {};
    std::string_view rest = message.substr(0, proof_at);
    auto binding = take_attribute(rest, 'c');
    auto nonce = binding ? take_attribute(rest, 'r') : std::nullopt;
    auto proof = base64_decode(message.substr(proof_at + 3));
    if (!nonce || !proof || proof->size() != 32) return {};
    auto bound = base64_decode(*binding);
    if (!bound || !same_secret(*bound, gs2_header_ + binding_)) return {};
    if (!same_secret(*nonce, nonce_)) return {};
    std::string signed_text = client_first_ + ',' + server_first_ + ',';
    signed_text += message.substr(0, proof_at);
    const Digest& digest = *options_.digest;
    std::string client_key =
        exclusive_or(*proof, digest.hmac_sha256(keys_.stored_key, signed_text));
    if (!same_secret(digest.sha256(client_key), keys_.stored_key)) return {};
    state_ = State::proven;
    return {Step::Kind::challenge,
            "v=" + base64_encode(digest.hmac_sha256(keys_.server_key, signed_text))};
  }

  ScramOptions options_;
  State state_ = State::first;
  ScramKeys keys_;
  std::string gs2_header_;
  std::string binding_;
  std::string client_first_;  // without the gs2 header
  std::string server_first_;
  std::string nonce_;
};

}  // namespace

std::unique_ptr<Exchange> new_scram_sha256(ScramOptions options) {
  return std::make_unique<Scram>(std::move(options));
}

ScramKeys scram_keys(const Digest& digest, std::string_view salted_password, std::string salt,
                     std::uint32_t iterations) {
  std::string client_key = digest.hmac_sha256(salted_password, "Client Key");
  return {std::move(salt), iterations, digest.sha256(client_key),
          digest.hmac_sha256(salted_password, "Server Key")};
}

}  // namespace postwain::sasl
