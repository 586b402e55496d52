#include "db-link/server_dial.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace postwain::dblink {

namespace {

dns::AddressAnswer as_answer(const std::string& address) {
  dns::AddressAnswer out;
  out.status = dns::AnswerStatus::ok;
  out.addresses = {address};
  return out;
}

std::string no_address(const dns::AddressAnswer& answer) {
  if (answer.status == dns::AnswerStatus::no_such_name) return "there is no host of this name";
  if (answer.status == dns::AnswerStatus::temporary)
    return "the DNS does not say where it is" +
           (answer.trouble.empty() ? std::string() : ": " + answer.trouble);
  return "the host has no address";
}

// Addresses in the form of the configuration are none of the DNS.
bool is_address(const std::string& name) {
  if (name.find(':') != std::string::npos) return true;
  return std::all_of(name.begin(), name.end(),
                     [](char c) { return c == '.' || (c >= '0' && c <= '9'); });
}

}  // namespace

ServerDial::ServerDial(net::Loop& loop, dns::Resolver& resolver, const config::DatabaseHost& host,
                       std::function<void(Result<net::Stream>)> done)
    : loop_(loop), host_(host), done_(std::move(done)), timer_(loop) {
  if (is_address(host_.name)) {
    found(as_answer(host_.name));
    return;
  }
  resolver.lookup_host(
      host_.name, [this, lives = std::weak_ptr<bool>(lives_)](const dns::AddressAnswer& answer) {
        if (!lives.expired()) found(answer);
      });
}

void ServerDial::found(const dns::AddressAnswer& answer) {
  addresses_ = answer.addresses;
  if (addresses_.size() > kAddressesTried) addresses_.resize(kAddressesTried);
  // The answer may be there at once, and whoever dials does not expect the end of it yet.
  if (addresses_.empty())
    timer_.start(Duration(0), [this, why = no_address(answer)] { fail(why); });
  else
    try_next();
}

void ServerDial::try_next() {
  std::size_t number = attempts_.size();
  if (number == addresses_.size()) return;
  ++open_;
  attempts_.push_back(
      net::Stream::connect(loop_, net::Endpoint{addresses_[number], host_.port, {}}, {},
                           [this, number](const Status& status) { ended(number, status); }));
  timer_.start(kNextAddressAfter, [this] { try_next(); });
}

void ServerDial::ended(std::size_t attempt, const Status& status) {
  if (status) {
    net::Stream stream = std::move(attempts_[attempt]);
    attempts_.clear();
    timer_.stop();
    auto report = std::move(done_);
    return report(std::move(stream));
  }
  attempts_[attempt].reset();
  --open_;
  if (attempts_.size() < addresses_.size()) return try_next();
  if (open_ == 0)
    fail(fmt::format("{}: {}", net::Endpoint{addresses_[attempt], host_.port, {}}.text(),
                     status.error().text));
}

void ServerDial::fail(std::string why) {
  timer_.stop();
  auto report = std::move(done_);
  report(Error{std::move(why)});
}

}  // namespace postwain::dblink
