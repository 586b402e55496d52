#include "common/daemon/channel.h"

#include <utility>

#include "common/base/check.h"

namespace postwain::daemon {

namespace {

// How long a connection without owner may take to hand over its last reply.
constexpr Duration kLinger = std::chrono::seconds(5);
// So much ciphertext does not wait for more.
constexpr std::size_t kWorthAWrite = 16U << 10;

}  // namespace

Channel::Channel(net::Loop&, net::Stream stream, Callbacks callbacks)
    : stream_(std::move(stream)), callbacks_(std::make_shared<Callbacks>(std::move(callbacks))) {
  stream_.start({
      .on_data = [this](std::string_view bytes) { received(bytes); },
      .on_end = [this] { over(""); },
      .on_error = [this](const Error& error) { over(error.text); },
      .on_drained = [this] { drained(); },
  });
}

void Channel::drained() {
  auto keep = callbacks_;
  write_kept();
  if (pending() > 0) return;
  drained_own_ = std::exchange(owed_, false);
  if (std::exchange(flooded_, false) && !paused_) stream_.resume();
  if (keep->on_drained) keep->on_drained();
}

Channel::~Channel() {
  if (destroyed_ == nullptr) return;
  *destroyed_ = true;
  if (tls_ && marks_.empty()) push_tls_output();  // what was said in the callback that ends us
}

void Channel::start_tls_server(const tls::Context& context) {
  PW_CHECK(!tls_);
  tls_.emplace(tls::Session::server(context));
}

void Channel::start_tls_client(const tls::Context& context, const std::string& name,
                               tls::ClientChoice choice) {
  PW_CHECK(!tls_);
  tls_.emplace(tls::Session::client(context, name, choice));
  push_tls_output();
}

void Channel::start_tls_dane(const tls::Context& context, const std::string& name,
                             const std::vector<mail::Tlsa>& records, tls::ClientChoice choice) {
  PW_CHECK(!tls_);
  tls_.emplace(tls::Session::dane(context, name, records, choice));
  push_tls_output();
}

bool Channel::tls_open() const {
  return tls_ && tls_announced_;
}
std::string Channel::tls_version() const {
  return tls_open() ? tls_->version() : std::string();
}
std::string Channel::tls_peer_fault() const {
  return tls_open() ? tls_->peer_fault() : std::string();
}

mail::TlsEnd Channel::tls_verdict() const {
  return tls_ ? tls_->verdict() : mail::TlsEnd::validation_failure;
}

std::string Channel::tls_cipher() const {
  return tls_open() ? tls_->cipher() : std::string();
}

tls::PeerCertificate Channel::tls_peer_certificate() const {
  return tls_ ? tls_->peer_certificate() : tls::PeerCertificate{};
}

std::string Channel::tls_binding(tls::Session::ChannelBinding kind) const {
  return tls_open() ? tls_->channel_binding(kind) : std::string();
}

void Channel::received(std::string_view bytes) {
  // Each callback may destroy this Channel: nothing of it is touched afterwards without asking
  // `gone`.
  auto keep = callbacks_;
  bool gone = false;
  bool* outer = destroyed_;
  destroyed_ = &gone;
  auto leave = [&] {
    if (gone) {
      if (outer != nullptr) *outer = true;
      return true;
    }
    return false;
  };
  if (!tls_) {
    keep->on_data(bytes);
    if (!leave()) destroyed_ = outer;
    return;
  }
  std::string plaintext;
  std::size_t before = tls_->output_size();
  bool was_open = tls_announced_;
  tls::Session::State state = tls_->receive(bytes, plaintext);
  bool answers = was_open && tls_->output_size() > before;
  // The end of a handshake leaves with what is said behind it, in one write.
  if (state != tls::Session::State::handshaking && state != tls::Session::State::failed &&
      !tls_announced_) {
    tls_announced_ = true;
    if (keep->on_tls) keep->on_tls();
    if (leave()) return;
  }
  if (!plaintext.empty()) keep->on_data(plaintext);
  if (leave()) return;
  push_tls_output();
  destroyed_ = outer;
  if (answers && pending() >= kUnreadMax && !flooded_) {
    flooded_ = true;
    stream_.pause();
  }
  if (state == tls::Session::State::failed)
    over("TLS: " + tls_->error());
  else if (state == tls::Session::State::closed)
    over("");
}

void Channel::over(const std::string& why) {
  auto report = std::move(callbacks_->on_closed);
  callbacks_->on_closed = nullptr;
  stream_.pause();
  if (report) report(why);
}

void Channel::push_tls_output() {
  put(tls_->take_output());
  if (pending() == 0) owed_ = false;
}

void Channel::send(std::string_view bytes) {
  owed_ = owed_ || !bytes.empty();
  if (!tls_) {
    put(bytes);
    owed_ = pending() > 0;
    return;
  }
  tls_->send(bytes);
  // In answer to something it leaves with what else is said, in one write.
  if (destroyed_ == nullptr || tls_->output_size() >= kWorthAWrite) push_tls_output();
}

void Channel::send(std::string_view bytes, const std::vector<std::size_t>& ends) {
  if (ends.empty()) return send(bytes);
  if (cut_) return;
  owed_ = true;
  std::size_t from = 0;
  for (std::size_t end : ends) {
    std::size_t before = kept_.size();
    keep(bytes.substr(from, end - from));
    if (kept_.size() > before) marks_.push_back(kept_.size());  // else TLS has failed
    from = end;
  }
  if (from < bytes.size()) keep(bytes.substr(from));
  // Under TLS, in answer to something, it leaves with what else is said, in one write.
  if (!tls_ || destroyed_ == nullptr || kept_left() >= kWorthAWrite) write_kept();
  if (pending() == 0) owed_ = false;
}

std::size_t Channel::pending() const {
  return stream_.pending() + kept_left();
}
void Channel::pause() {
  paused_ = true;
  stream_.pause();
}
void Channel::resume() {
  paused_ = false;
  if (!flooded_) stream_.resume();
}

void Channel::close_after_flush(std::shared_ptr<void> keep) {
  drop_held();
  if (tls_open() && !cut_) {
    tls_->close();
    push_tls_output();
  }
  stream_.close_after_flush(kLinger, std::move(keep));
}

}  // namespace postwain::daemon
