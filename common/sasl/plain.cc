// PLAIN and LOGIN: the password itself crosses the wire.
#include "common/base/text.h"
#include "common/sasl/exchange.h"

namespace postwain::sasl {

namespace {

bool usable(std::string_view text, std::size_t max) {
  return !text.empty() && text.size() <= max && text.find('\0') == std::string_view::npos &&
         is_valid_utf8(text);
}

class PasswordExchange : public Exchange {
 public:
  Step approve(bool good) override {
    password_.clear();
    return {good ? Step::Kind::success : Step::Kind::failure};
  }
  Step supply(const ScramKeys&) override { return {}; }

 protected:
  // Who it was is known even where the rest is not usable: the operator looks for the name.
  Step ask(std::string_view user, std::string_view password) {
    user_ = user.substr(0, kNameMax);
    if (!usable(user, kNameMax) || !usable(password, kPasswordMax)) return {};
    password_ = password;
    return {Step::Kind::password};
  }
};

// message = [authzid] UTF8NUL authcid UTF8NUL passwd
class PlainExchange final : public PasswordExchange {
 public:
  Step respond(std::optional<std::string_view> response) override {
    if (!response) return {Step::Kind::challenge};
    std::size_t first = response->find('\0');
    if (first == std::string_view::npos) return {};
    std::string_view rest = response->substr(first + 1);
    std::size_t second = rest.find('\0');
    if (second == std::string_view::npos) return {};
    std::string_view authorized = response->substr(0, first);
    std::string_view user = rest.substr(0, second);
    if (!authorized.empty() && authorized != user) return ask(user, {});
    return ask(user, rest.substr(second + 1));
  }
};

class LoginExchange final : public PasswordExchange {
 public:
  Step respond(std::optional<std::string_view> response) override {
    if (!response) return {Step::Kind::challenge, "Username:"};
    if (name_.empty()) {
      if (!usable(*response, kNameMax)) return ask(*response, {});
      name_ = *response;
      return {Step::Kind::challenge, "Password:"};
    }
    return ask(name_, *response);
  }

 private:
  std::string name_;
};

}  // namespace

std::unique_ptr<Exchange> new_plain() {
  return std::make_unique<PlainExchange>();
}

std::unique_ptr<Exchange> new_login() {
  return std::make_unique<LoginExchange>();
}

}  // namespace postwain::sasl
