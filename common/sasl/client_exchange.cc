#include "common/sasl/client_exchange.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "common/base/text.h"
#include "common/sasl/client_scram.h"

namespace postwain::sasl {

namespace {

constexpr Mechanism kAll[] = {
    Mechanism::scram_sha256_plus, Mechanism::scram_sha256, Mechanism::plain,  Mechanism::login,
    Mechanism::cram_md5,          Mechanism::oauthbearer,  Mechanism::xoauth2};

class Plain final : public ClientExchange {
 public:
  explicit Plain(ClientLogin login) : login_(std::move(login)) {}
  std::optional<std::string> initial() override {
    return '\0' + login_.user + '\0' + login_.secret;
  }
  // A server that has not looked at what came with the command asks for it; once.
  std::optional<std::string> respond(std::string_view) override {
    if (std::exchange(asked_, true))
      return give_up("the next hop asks for more than name and password");
    return initial();
  }

 private:
  ClientLogin login_;
  bool asked_ = false;
};

// Asks for the name, then for the password, in words that nobody has ever agreed on.
class Login final : public ClientExchange {
 public:
  explicit Login(ClientLogin login) : login_(std::move(login)) {}
  std::optional<std::string> initial() override { return std::nullopt; }
  std::optional<std::string> respond(std::string_view) override {
    switch (asked_++) {
      case 0:
        return login_.user;
      case 1:
        return login_.secret;
      default:
        return give_up("the next hop asks for more than name and password");
    }
  }

 private:
  ClientLogin login_;
  int asked_ = 0;
};

class CramMd5 final : public ClientExchange {
 public:
  explicit CramMd5(ClientLogin login) : login_(std::move(login)) {}
  std::optional<std::string> initial() override { return std::nullopt; }
  std::optional<std::string> respond(std::string_view challenge) override {
    if (std::exchange(answered_, true)) return give_up("a second challenge of CRAM-MD5");
    std::string out = login_.user + ' ';
    for (unsigned char c : login_.digest->hmac_md5(login_.secret, challenge))
      out += fmt::format("{:02x}", c);
    return out;
  }

 private:
  ClientLogin login_;
  bool answered_ = false;
};

// A refusal comes as a challenge that tells the reason in JSON, and ends after our answer to it.
class Bearer final : public ClientExchange {
 public:
  Bearer(ClientLogin login, bool google) : login_(std::move(login)), google_(google) {}
  std::optional<std::string> initial() override {
    if (google_) return fmt::format("user={}\1auth=Bearer {}\1\1", login_.user, login_.secret);
    return fmt::format("n,a={},\1host={}\1port={}\1auth=Bearer {}\1\1", gs2_name(login_.user),
                       login_.host, login_.port, login_.secret);
  }
  std::optional<std::string> respond(std::string_view challenge) override {
    // Not a refusal: the token that came with the command was not looked at.
    if (challenge.empty() && !std::exchange(asked_, true)) return initial();
    if (std::exchange(refused_, true)) return give_up("a second challenge behind the token");
    return google_ ? std::string() : std::string("\1");
  }
  bool may_succeed() const override { return !refused_; }

 private:
  ClientLogin login_;
  bool google_;
  bool asked_ = false;
  bool refused_ = false;
};

bool is_allowed(Mechanism mechanism, const std::vector<std::string>& allowed) {
  return allowed.empty() ||
         std::find(allowed.begin(), allowed.end(), name_of(mechanism)) != allowed.end();
}

}  // namespace

std::string_view name_of(Mechanism mechanism) {
  switch (mechanism) {
    case Mechanism::scram_sha256_plus:
      return "SCRAM-SHA-256-PLUS";
    case Mechanism::scram_sha256:
      return "SCRAM-SHA-256";
    case Mechanism::plain:
      return "PLAIN";
    case Mechanism::login:
      return "LOGIN";
    case Mechanism::cram_md5:
      return "CRAM-MD5";
    case Mechanism::oauthbearer:
      return "OAUTHBEARER";
    case Mechanism::xoauth2:
      return "XOAUTH2";
  }
  return "?";
}

std::optional<Mechanism> parse_mechanism(std::string_view name) {
  for (Mechanism mechanism : kAll)
    if (iequals(name, name_of(mechanism))) return mechanism;
  return std::nullopt;
}

bool takes_token(Mechanism mechanism) {
  return mechanism == Mechanism::oauthbearer || mechanism == Mechanism::xoauth2;
}

bool reveals_secret(Mechanism mechanism) {
  return mechanism == Mechanism::plain || mechanism == Mechanism::login || takes_token(mechanism);
}

std::unique_ptr<ClientExchange> new_client(Mechanism mechanism, ClientLogin login) {
  switch (mechanism) {
    case Mechanism::scram_sha256_plus:
    case Mechanism::scram_sha256:
      return new_client_scram(mechanism == Mechanism::scram_sha256_plus, std::move(login));
    case Mechanism::plain:
      return std::make_unique<Plain>(std::move(login));
    case Mechanism::login:
      return std::make_unique<Login>(std::move(login));
    case Mechanism::cram_md5:
      return std::make_unique<CramMd5>(std::move(login));
    case Mechanism::oauthbearer:
    case Mechanism::xoauth2:
      break;
  }
  return std::make_unique<Bearer>(std::move(login), mechanism == Mechanism::xoauth2);
}

std::optional<Mechanism> choose(const Offer& offer, const std::vector<std::string>& allowed) {
  std::vector<Mechanism> order(std::begin(kAll), std::end(kAll));
  if (!offer.tls) {
    std::erase(order, Mechanism::cram_md5);
    order.insert(order.begin() + 2, Mechanism::cram_md5);
  }
  for (Mechanism mechanism : order) {
    if (takes_token(mechanism) != offer.token || !is_allowed(mechanism, allowed)) continue;
    if (mechanism == Mechanism::scram_sha256_plus && !offer.can_bind) continue;
    if (reveals_secret(mechanism) && !offer.may_reveal && allowed.empty()) continue;
    for (const std::string& offered : offer.mechanisms)
      if (iequals(offered, name_of(mechanism))) return mechanism;
  }
  return std::nullopt;
}

}  // namespace postwain::sasl
