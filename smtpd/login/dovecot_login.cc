#include "smtpd/login/dovecot_login.h"

#include <unistd.h>

#include "common/log/log.h"

namespace postwain::smtpd {

namespace {

constexpr Duration kFirstPause = std::chrono::milliseconds(200);
constexpr Duration kLongestPause = std::chrono::seconds(5);
constexpr std::size_t kMechanismsMax = 256;  // octets of their names

}  // namespace

class DovecotExchange final : public Login {
 public:
  DovecotExchange(DovecotLogin& backend, const LoginRequest& request,
                  std::function<void(const LoginStep&)> on_step)
      : backend_(backend), request_(request), on_step_(std::move(on_step)) {}
  ~DovecotExchange() override {
    if (id_ == 0) return;
    backend_.exchanges_.erase(id_);
    if (backend_.ready_) backend_.stream_.write(sasl::dovecot_cancel(id_));
  }

  void respond(std::optional<std::string> response) override {
    if (!backend_.ready_ || lost_) return report({LoginStep::Kind::trouble, "Dovecot is away"});
    if (id_ != 0) return backend_.stream_.write(sasl::dovecot_continue(id_, response.value_or("")));
    do {
      id_ = ++backend_.next_id_;
    } while (id_ == 0 || backend_.exchanges_.contains(id_));
    backend_.exchanges_[id_] = this;
    backend_.stream_.write(sasl::dovecot_auth(
        {id_, request_.mechanism, request_.client, request_.tls, response ? &*response : nullptr}));
  }

  // Dovecot's word on it. Last: the receiver may destroy this.
  void notify(const LoginStep& step) {
    if (step.kind != LoginStep::Kind::challenge) {
      backend_.exchanges_.erase(id_);
      id_ = 0;
      lost_ = true;
    }
    report(step);
  }

 private:
  void report(const LoginStep& step) {
    auto receiver = on_step_;
    receiver(step);
  }

  DovecotLogin& backend_;
  LoginRequest request_;
  std::function<void(const LoginStep&)> on_step_;
  std::uint32_t id_ = 0;  // Dovecot knows it by this; 0: not, or not any more
  bool lost_ = false;
};

DovecotLogin::DovecotLogin(net::Loop& loop, std::string socket_path)
    : loop_(loop), socket_path_(std::move(socket_path)), retry_(loop), pause_(kFirstPause) {
  connect();
}

DovecotLogin::~DovecotLogin() = default;

void DovecotLogin::connect() {
  in_.clear();
  mechanisms_.clear();
  stream_ = net::Stream::connect(loop_, {{}, 0, socket_path_}, {},
                                 [this](const Status& status) { connected(status); });
}

void DovecotLogin::connected(const Status& status) {
  if (!status) return lost(status.error().text);
  stream_.start({
      .on_data = [this](std::string_view bytes) { received(bytes); },
      .on_end = [this] { lost("Dovecot closed the connection"); },
      .on_error = [this](const Error& error) { lost(error.text); },
  });
  stream_.write(sasl::dovecot_hello(static_cast<std::uint32_t>(::getpid())));
}

void DovecotLogin::received(std::string_view bytes) {
  in_ += bytes;
  std::size_t begin = 0;
  for (;;) {
    std::size_t end = in_.find('\n', begin);
    if (end == std::string::npos) break;
    std::string text = in_.substr(begin, end - begin);
    begin = end + 1;
    if (!line(sasl::parse_dovecot(text))) return;
  }
  in_.erase(0, begin);
  if (in_.size() > sasl::kDovecotLineMax) lost("a line of Dovecot without end");
}

bool DovecotLogin::line(const sasl::DovecotLine& line) {
  switch (line.kind) {
    case sasl::DovecotLine::Kind::other:
      return true;
    case sasl::DovecotLine::Kind::bad:
      lost("Dovecot said something that is not its protocol 1.x");
      return false;
    case sasl::DovecotLine::Kind::mechanism:
      if (line.private_use || mechanisms_.size() + line.text.size() > kMechanismsMax) return true;
      if (!mechanisms_.empty()) mechanisms_ += ' ';
      mechanisms_ += line.text;
      return true;
    case sasl::DovecotLine::Kind::done:
      ready_ = true;
      away_logged_ = false;
      pause_ = kFirstPause;
      log::Line(log::Level::info, "dovecot_connected").kv("mechanisms", mechanisms_);
      return true;
    case sasl::DovecotLine::Kind::challenge:
      notify(line.id, {LoginStep::Kind::challenge, line.text});
      return true;
    case sasl::DovecotLine::Kind::success:
      notify(line.id,
             {line.text.empty() ? LoginStep::Kind::trouble : LoginStep::Kind::success, line.text});
      return true;
    case sasl::DovecotLine::Kind::failure:
      notify(line.id,
             {line.temporary ? LoginStep::Kind::trouble : LoginStep::Kind::failure, line.text});
      return true;
  }
  return true;
}

void DovecotLogin::notify(std::uint32_t id, const LoginStep& step) {
  auto found = exchanges_.find(id);
  if (found != exchanges_.end()) found->second->notify(step);
}

void DovecotLogin::lost(const std::string& why) {
  ready_ = false;
  mechanisms_.clear();
  if (!away_logged_)
    log::Line(log::Level::warning, "dovecot_lost").kv("socket", socket_path_).kv("reason", why);
  away_logged_ = true;
  stream_ = net::Stream();
  retry_.start(pause_, [this] { connect(); });
  pause_ = std::min(2 * pause_, kLongestPause);
  std::vector<DovecotExchange*> all;
  all.reserve(exchanges_.size());
  for (const auto& [id, exchange] : exchanges_) all.push_back(exchange);
  // Each receives its word and may go away; none can take another with it.
  for (DovecotExchange* exchange : all)
    exchange->notify({LoginStep::Kind::trouble, "Dovecot went away"});
}

std::string DovecotLogin::mechanisms(bool) const {
  return ready_ ? mechanisms_ : std::string();
}

std::unique_ptr<Login> DovecotLogin::begin(const LoginRequest& request,
                                           std::function<void(const LoginStep&)> on_step) {
  return std::make_unique<DovecotExchange>(*this, request, std::move(on_step));
}

}  // namespace postwain::smtpd
