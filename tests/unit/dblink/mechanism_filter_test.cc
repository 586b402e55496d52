// Mechanisms with channel binding are taken out of the server's offer, and nothing else is changed,
// however the octets are cut.
#include <catch2/catch.hpp>

#include <string>
#include <string_view>
#include <vector>

#include "db-link/mechanism_filter.h"

using namespace postwain;
using namespace postwain::dblink;

namespace {

std::string message_of(char type, const std::string& body) {
  std::size_t length = body.size() + 4;
  std::string out(1, type);
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(length >> shift & 0xFF);
  return out + body;
}

std::string login_request(std::uint32_t kind, const std::string& rest) {
  std::string body;
  for (int shift = 24; shift >= 0; shift -= 8) body += static_cast<char>(kind >> shift & 0xFF);
  return message_of('R', body + rest);
}

std::string sasl_offer(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) list += name + '\0';
  return login_request(10, list + '\0');
}

// What comes out, whole and octet by octet, and cut in two at every place.
std::string filtered(const std::string& in) {
  MechanismFilter whole;
  std::string out = whole.feed(in);
  for (std::size_t cut = 0; cut <= in.size(); ++cut) {
    MechanismFilter two;
    std::string first = two.feed(std::string_view(in).substr(0, cut));
    CHECK(first + two.feed(std::string_view(in).substr(cut)) == out);
    CHECK(two.failed() == whole.failed());
  }
  MechanismFilter single;
  std::string slowly;
  for (char c : in) slowly += single.feed(std::string_view(&c, 1));
  CHECK(slowly == out);
  return out;
}

bool is_refused(const std::string& in) {
  MechanismFilter filter;
  std::string out = filter.feed(in);
  return filter.failed() && out.empty() && filter.feed("x").empty();
}

}  // namespace

TEST_CASE("an offer loses what binds to the session of TLS") {
  struct {
    std::vector<std::string> offered;
    std::vector<std::string> left;
  } rows[] = {
      {{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"}, {"SCRAM-SHA-256"}},
      {{"SCRAM-SHA-256"}, {"SCRAM-SHA-256"}},
      {{"SCRAM-SHA-256", "SCRAM-SHA-512-PLUS", "OAUTHBEARER"}, {"SCRAM-SHA-256", "OAUTHBEARER"}},
      {{"SCRAM-SHA-256-PLUS"}, {}},
      {{}, {}},
      {{"PLUS", "-PLUS-ULTRA"}, {"PLUS", "-PLUS-ULTRA"}},
  };
  for (const auto& row : rows) {
    std::string behind = message_of('Z', "I") + sasl_offer({"SCRAM-SHA-256-PLUS"});
    CHECK(filtered(sasl_offer(row.offered)) == sasl_offer(row.left));
    CHECK(filtered(sasl_offer(row.offered) + behind) == sasl_offer(row.left) + behind);
    // A negotiation of the version may stand in front.
    std::string negotiation = message_of('v', std::string("\0\3\0\0\0\0\0\0", 8));
    CHECK(filtered(negotiation + sasl_offer(row.offered)) == negotiation + sasl_offer(row.left));
  }
}

TEST_CASE("everything else passes as it is") {
  std::string rows[] = {
      login_request(0, ""),                           // nothing is asked
      login_request(5, "salt"),                       // MD5
      login_request(0, "") + sasl_offer({"X-PLUS"}),  // no request any more
      message_of('E', std::string("SFATAL\0Mno\0\0", 12)) + sasl_offer({"X-PLUS"}),
      "E" + std::string(100'000, 'x'),  // not looked at
      "",
      std::string("\xFF\0\1", 3),
  };
  for (const std::string& row : rows)
    if (row.size() < 1000)
      CHECK(filtered(row) == row);
    else
      CHECK(MechanismFilter().feed(row) == row);
}

TEST_CASE("what is no request for the login is refused") {
  CHECK(is_refused(std::string("R\0\0\0\7\0\0\0", 8)));  // shorter than its kind
  CHECK(is_refused(std::string("R\0\0\7\xD1", 5)));      // 2001 octets
  CHECK(is_refused(std::string("R\xFF\xFF\xFF\xFF", 5)));
  CHECK(is_refused(std::string("v\0\0\0\0", 5)));
  CHECK(is_refused(login_request(10, "SCRAM-SHA-256")));             // no end of a name
  CHECK(is_refused(login_request(10, "")));                          // no end of the list
  CHECK(is_refused(login_request(10, std::string("A\0\0B\0", 5))));  // more behind its end
  std::string negotiation = message_of('v', "....");
  std::string often;
  for (int i = 0; i <= kNegotiationsMax; ++i) often += negotiation;
  CHECK(is_refused(often));
}

TEST_CASE("a message that is not whole yet waits, and no more than one is held") {
  MechanismFilter filter;
  std::string longest = login_request(10, std::string(kLoginMessageMax - 10, 'A') + '\0' + '\0');
  CHECK(filter.feed(std::string_view(longest).substr(0, longest.size() - 1)).empty());
  CHECK_FALSE(filter.failed());
  CHECK(filter.feed(std::string_view(longest).substr(longest.size() - 1)) == longest);
}
