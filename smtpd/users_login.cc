#include "smtpd/users_login.h"

#include "common/auth/password_hash.h"
#include "common/base/text.h"
#include "common/sasl/compare.h"
#include "common/tls/digest.h"

namespace postwain::smtpd {

namespace {

constexpr std::size_t kNonceOctets = 18;
constexpr std::size_t kSaltOctets = 16;

std::unique_ptr<sasl::Exchange> new_exchange(const LoginRequest& request) {
  if (request.mechanism == "PLAIN") return sasl::new_plain();
  if (request.mechanism == "LOGIN") return sasl::new_login();
  return sasl::new_scram_sha256({&tls::digest(), base64_encode(tls::random_octets(kNonceOctets)),
                                 request.mechanism == "SCRAM-SHA-256-PLUS", request.tls,
                                 request.bindings});
}

// Runs on the worker.
bool matches(const sasl::User& user, const std::string& password) {
  switch (user.scheme) {
    case sasl::Scheme::plain:
      return sasl::same_secret(user.secret, password);
    case sasl::Scheme::crypt:
      return auth::matches_crypt(password, user.secret);
    case sasl::Scheme::scram: {
      std::string salted = tls::pbkdf2_sha256(password, user.keys.salt, user.keys.iterations);
      sasl::ScramKeys made =
          sasl::scram_keys(tls::digest(), salted, user.keys.salt, user.keys.iterations);
      return sasl::same_secret(made.stored_key, user.keys.stored_key);
    }
  }
  return false;
}

}  // namespace

class UsersFileLogin final : public Login {
 public:
  UsersFileLogin(UsersLogin& backend, const LoginRequest& request,
                 std::function<void(const LoginStep&)> on_step)
      : backend_(backend),
        exchange_(new_exchange(request)),
        on_step_(std::move(on_step)),
        alive_(std::make_shared<bool>(true)) {}
  ~UsersFileLogin() override { *alive_ = false; }

  void respond(std::optional<std::string> response) override {
    std::optional<std::string_view> text;
    if (response) text = *response;
    take(exchange_->respond(text));
  }

 private:
  void take(const sasl::Step& step) {
    switch (step.kind) {
      case sasl::Step::Kind::challenge:
        return report({LoginStep::Kind::challenge, step.challenge});
      case sasl::Step::Kind::password:
        return check_password();
      case sasl::Step::Kind::keys:
        return find_keys();
      case sasl::Step::Kind::success:
        return report(
            {known_ ? LoginStep::Kind::success : LoginStep::Kind::failure, exchange_->user()});
      case sasl::Step::Kind::failure:
        return report({LoginStep::Kind::failure, exchange_->user()});
    }
  }

  // The completion runs on the loop; the login may be gone by then.
  template <class Value>
  void on_worker(std::function<Value()> work, std::function<void(const Value&)> then) {
    bool taken = backend_.worker_.run(
        [alive = alive_, work = std::move(work), then = std::move(then)]() mutable {
          Value value = work();
          return [alive, value = std::move(value), then = std::move(then)] {
            if (*alive) then(value);
          };
        });
    if (!taken) report({LoginStep::Kind::trouble, "too many logins at once"});
  }

  void check_password() {
    const sasl::User* user = backend_.find(exchange_->user());
    known_ = user != nullptr;
    on_worker<bool>([user = known_ ? *user : backend_.nobody_,
                     password = exchange_->password()] { return matches(user, password); },
                    [this](bool good) { take(exchange_->approve(good && known_)); });
  }

  void find_keys() {
    const sasl::User* user = backend_.find(exchange_->user());
    known_ = user != nullptr && user->scheme != sasl::Scheme::crypt;
    if (known_ && user->scheme == sasl::Scheme::scram) return take(exchange_->supply(user->keys));
    // The same salt each time, as if it were stored; of a password nobody knows when there is none.
    std::string salt = tls::digest().hmac_sha256(backend_.secret_, exchange_->user());
    salt.resize(kSaltOctets);
    std::string password = known_ ? user->secret : tls::random_octets(kSaltOctets);
    on_worker<sasl::ScramKeys>(
        [salt, password] {
          return sasl::scram_keys(tls::digest(),
                                  tls::pbkdf2_sha256(password, salt, kScramIterations), salt,
                                  kScramIterations);
        },
        [this](const sasl::ScramKeys& keys) { take(exchange_->supply(keys)); });
  }

  // Last: the receiver may destroy this.
  void report(const LoginStep& step) {
    auto receiver = on_step_;
    receiver(step);
  }

  UsersLogin& backend_;
  std::unique_ptr<sasl::Exchange> exchange_;
  std::function<void(const LoginStep&)> on_step_;
  std::shared_ptr<bool> alive_;  // shared with jobs only; touched on the loop only
  bool known_ = false;
};

UsersLogin::UsersLogin(net::Loop& loop, const std::vector<sasl::User>& users)
    : secret_(tls::random_octets(32)), worker_(loop, kHashJobsMax) {
  nobody_.secret = tls::random_octets(kNonceOctets);
  for (const sasl::User& user : users) {
    users_.emplace(user.name, user);
    // The costliest of the usual: then an unknown name is not told by a quick answer.
    if (user.scheme == sasl::Scheme::crypt || nobody_.scheme == sasl::Scheme::plain) nobody_ = user;
    // A client that sees SCRAM takes it, and with a crypt(3) hash it could not log in.
    if (user.scheme == sasl::Scheme::crypt) scram_ = false;
  }
}

const sasl::User* UsersLogin::find(const std::string& name) const {
  auto found = users_.find(name);
  return found == users_.end() ? nullptr : &found->second;
}

std::string UsersLogin::mechanisms(bool tls) const {
  std::string out = scram_ ? tls ? "SCRAM-SHA-256-PLUS SCRAM-SHA-256 " : "SCRAM-SHA-256 " : "";
  return out + "PLAIN LOGIN";
}

std::unique_ptr<Login> UsersLogin::begin(const LoginRequest& request,
                                         std::function<void(const LoginStep&)> on_step) {
  return std::make_unique<UsersFileLogin>(*this, request, std::move(on_step));
}

}  // namespace postwain::smtpd
