// What is done with one connection from qmgr to a database server, apart from any socket: asking
// the server for TLS in the way of PostgreSQL (SSLRequest, "Message Flow: SSL Session Encryption"
// of its manual), holding back what qmgr says until then, and passing octets on in both directions.
// Pure.
//
// A client that there is no server for hears the reason as an error of the protocol, so that it can
// tell a person. Whoever has the sockets tells it each event, and does what comes back. When one of
// the two ends, both are closed, after what was said.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "db-link/mechanism_filter.h"

namespace postwain::dblink {

// While so many octets are not taken by one end, nothing is read from the other one. Also what is
// held of the client before there is a server.
constexpr std::size_t kUnsentMax = 64U << 10;

enum class Security : std::uint8_t { tls, clear };

// What is to be done, in this order.
struct Orders {
  std::string to_server{};  // in clear until TLS begins, and behind that within it
  bool start_tls = false;   // towards the server
  std::string to_client{};
  bool close = false;  // both, once they have taken what they were sent
};

class RelayEngine {
 public:
  enum class State : std::uint8_t { dialing, asking, securing, relaying, over };

  // name: of the server, as a person is to read it.
  RelayEngine(Security security, std::string name) : security_(security), name_(std::move(name)) {}

  // The server is connected, or why it is not.
  Orders connected();
  Orders not_connected(std::string_view why);
  Orders secured();  // TLS is there, and the certificate was believed
  Orders from_server(std::string_view bytes);
  Orders from_client(std::string_view bytes);
  // why: what went wrong; empty: it ended in order.
  Orders server_ended(std::string_view why);
  Orders client_ended();
  Orders out_of_time();  // before octets are relayed; ignored later

  // Given how many octets the other end has not taken.
  bool reads_client(std::size_t unsent_to_server) const;
  bool reads_server(std::size_t unsent_to_client) const;

  State state() const { return state_; }
  // Why it is over; empty: it is not, or both have said what they had to say.
  const std::string& failure() const { return failure_; }

 private:
  Orders begin_relaying();
  Orders judge_answer(std::string_view bytes);
  Orders fail(std::string_view why);

  Security security_;
  std::string name_;
  State state_ = State::dialing;
  std::string held_;  // what the client said before octets are relayed
  MechanismFilter mechanisms_;
  std::string failure_;
};

}  // namespace postwain::dblink
