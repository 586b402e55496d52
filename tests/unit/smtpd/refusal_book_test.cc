// What is told of refusals to the history: counted, bounded, and fair.
#include <catch2/catch.hpp>

#include "smtpd/refusal_book.h"

using namespace postwain;
using namespace postwain::smtpd;

namespace {

ipc::Refusal refusal(const std::string& client, const std::string& recipient) {
  ipc::Refusal out;
  out.at = 1000;
  out.client = client;
  out.recipient = recipient;
  out.stage = "RCPT";
  out.reply = {550, {5, 1, 1}, "unknown"};
  out.reason = "not listed";
  return out;
}

}  // namespace

TEST_CASE("receive 11: equal refusals are told once, with their number", "[refusals]") {
  RefusalBook book;
  for (int i = 0; i < 3; ++i) book.add(refusal("192.0.2.1", "a@x"));
  book.add(refusal("192.0.2.1", "b@x"));
  auto told = book.take();
  REQUIRE(told.size() == 2);
  CHECK(told[0].count == 3);
  CHECK(told[1].count == 1);
  CHECK(book.take().empty());
}

TEST_CASE("receive 11: a flood of one client leaves room for others, and nothing grows",
          "[refusals]") {
  RefusalBook book;
  for (int i = 0; i < 5000; ++i) book.add(refusal("192.0.2.1", std::to_string(i) + "@x"));
  book.add(refusal("192.0.2.2", "a@x"));
  auto told = book.take();
  REQUIRE(told.size() == kRefusalsPerClient + 2);
  CHECK(told[kRefusalsPerClient].count == 5000 - kRefusalsPerClient);
  CHECK(told[kRefusalsPerClient].recipient.empty());
  CHECK(told.back().client == "192.0.2.2");
  CHECK(told.back().recipient == "a@x");

  for (int i = 0; i < 5000; ++i) book.add(refusal(std::to_string(i), "a@x"));
  CHECK(book.take().size() == ipc::kRefusalsInFrame);
  CHECK(book.lost() == 5000 - ipc::kRefusalsInFrame);
  book.add(refusal("192.0.2.3", std::string(5000, 'x')));
  CHECK(book.take().at(0).recipient.size() == ipc::kRefusalTextMax);
  book.add(refusal("192.0.2.3", std::string("a\0\r\nb", 5)));
  CHECK(book.take().at(0).recipient == "a???b");
}
