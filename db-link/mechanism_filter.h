// Takes the mechanisms with channel binding out of what a PostgreSQL server offers for the login.
//
// They bind the login to the TLS session, and that one ends here: libpq, to which the connection is
// a Unix socket, ends it when it is offered one, because that looks like an attack to it. The
// server takes a login without channel binding from a client that says that it knows none, and
// libpq says so on a connection without TLS. What channel binding would prove, that nobody stands
// between the two ends of the TLS session, the certificate has proven to us. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace postwain::dblink {

// Of a message before and with the request for the login; libpq takes no longer ones either.
constexpr std::size_t kLoginMessageMax = 2000;  // octets
// Negotiations of the version that may come before it. A server sends one at most.
constexpr int kNegotiationsMax = 4;

class MechanismFilter {
 public:
  // Octets of the server, cut anywhere; returns those for the client. From the first message on
  // that is neither the request for the login nor a negotiation of the version they pass unchanged.
  std::string feed(std::string_view bytes);
  // What the server said is no message of the protocol; nothing passes any more.
  bool failed() const { return state_ == State::failed; }

 private:
  enum class State { looking, passing, failed };

  void take_message();
  std::string whole_message(std::size_t size);

  State state_ = State::looking;
  std::string held_;  // the beginning of a message
  std::string out_;
  int negotiations_ = 0;
};

}  // namespace postwain::dblink
