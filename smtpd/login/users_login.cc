#include "smtpd/login/users_login.h"

#include <map>
#include <utility>

#include <fmt/format.h>

#include "common/auth/password_hash.h"
#include "common/base/text.h"
#include "common/sasl/compare.h"
#include "common/tls/digest.h"

namespace postwain::smtpd {

namespace {

constexpr std::size_t kNonceOctets = 18;

std::unique_ptr<sasl::Exchange> new_exchange(const LoginRequest& request) {
  if (request.mechanism == "PLAIN") return sasl::new_plain();
  if (request.mechanism == "LOGIN") return sasl::new_login();
  return sasl::new_scram_sha256({&tls::digest(), base64_encode(tls::random_octets(kNonceOctets)),
                                 request.mechanism == "SCRAM-SHA-256-PLUS", request.tls,
                                 request.bindings});
}

// What a hash costs: method and parameters.
std::string kind_of(const sasl::User& user) {
  if (user.scheme == sasl::Scheme::plain) return {};
  if (user.scheme == sasl::Scheme::scram) return "scram " + std::to_string(user.keys.iterations);
  // "$6$salt$hash", "$6$rounds=9$salt$hash", "$2b$12$salthash", "$y$j9T$salt$hash"
  const std::string& hash = user.secret;
  if (hash.front() != '$') return "des";
  std::size_t end = hash.find('$', 1);
  if (end == std::string::npos) return hash;
  std::string method = hash.substr(0, end);
  bool has_rounds = (method != "$5" && method != "$6") || hash.compare(end, 8, "$rounds=") == 0;
  return has_rounds ? hash.substr(0, hash.find('$', end + 1)) : method;
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

// The same; one hash of each kind, whichever of them is the user's.
bool matches_among(const std::vector<sasl::User>& kinds, const sasl::User& user,
                   const std::string& password) {
  std::string own = kind_of(user);
  for (const sasl::User& kind : kinds)
    if (kind_of(kind) != own) (void)matches(kind, password);
  return matches(user, password);
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
  std::string account() const override { return exchange_->user(); }

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
    on_worker<bool>(
        [kinds = backend_.kinds_, user = known_ ? *user : backend_.nobody_,
         password = exchange_->password()] { return matches_among(*kinds, user, password); },
        [this](bool good) { take(exchange_->approve(good && known_)); });
  }

  void find_keys() {
    const sasl::User* user = backend_.find(exchange_->user());
    known_ = user != nullptr && user->scheme != sasl::Scheme::crypt;
    bool stored = known_ && user->scheme == sasl::Scheme::scram;
    // Also for who has some: the microseconds it takes would tell.
    sasl::ScramKeys keys = backend_.invented_keys(exchange_->user());
    if (stored) keys = user->keys;
    if (!backend_.any_plain_) return take(exchange_->supply(keys));
    bool plain = known_ && !stored;
    on_worker<sasl::ScramKeys>(
        [keys, plain, password = plain ? user->secret : std::string("nobody's")] {
          std::string salted = tls::pbkdf2_sha256(password, keys.salt, keys.iterations);
          auto made = sasl::scram_keys(tls::digest(), salted, keys.salt, keys.iterations);
          return plain ? made : keys;
        },
        [this](const sasl::ScramKeys& found) { take(exchange_->supply(found)); });
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

UsersLogin::UsersLogin(net::Loop& loop, const std::vector<sasl::User>& users, std::string secret)
    : secret_(secret.empty() ? tls::random_octets(32) : std::move(secret)),
      worker_(loop, kHashJobsMax) {
  nobody_.secret = tls::random_octets(kNonceOctets);
  for (const sasl::User& user : users) {
    users_.emplace(user.name, user);
    any_plain_ = any_plain_ || user.scheme == sasl::Scheme::plain;
    // A client that sees SCRAM takes it, and with a crypt(3) hash it could not log in.
    if (user.scheme == sasl::Scheme::crypt) scram_ = false;
  }
  learn_kinds(users);
}

void UsersLogin::learn_kinds(const std::vector<sasl::User>& users) {
  std::map<std::string, const sasl::User*> kinds;
  std::map<std::pair<std::uint32_t, std::size_t>, std::size_t> forms;
  std::size_t most = 0;
  for (const sasl::User& user : users) {
    if (user.scheme == sasl::Scheme::plain) continue;
    if (kinds.size() < kHashKindsMax) kinds.emplace(kind_of(user), &user);
    if (user.scheme != sasl::Scheme::scram) continue;
    std::size_t count = ++forms[{user.keys.iterations, user.keys.salt.size()}];
    if (count <= most) continue;
    most = count;
    iterations_ = user.keys.iterations;
    salt_size_ = user.keys.salt.size();
  }
  auto made = std::make_shared<std::vector<sasl::User>>();
  for (const auto& [kind, user] : kinds) made->push_back(*user);
  kinds_ = std::move(made);
}

// The same each time and in each process, and without the secret not to be told from chance.
std::string UsersLogin::invented(std::string_view what, const std::string& name,
                                 std::size_t size) const {
  std::string out;
  for (int block = 0; out.size() < size; ++block)
    out += tls::digest().hmac_sha256(secret_, fmt::format("{} {} {}", what, block, name));
  out.resize(size);
  return out;
}

sasl::ScramKeys UsersLogin::invented_keys(const std::string& name) const {
  constexpr std::size_t kKeySize = 32;
  return {invented("salt", name, salt_size_), iterations_, invented("stored key", name, kKeySize),
          invented("server key", name, kKeySize)};
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
