// What is told of refusals to the history: counted, bounded, and fair.
#include <catch2/catch.hpp>

#include "smtpd/session/refusal_book.h"

using namespace postwain;
using namespace postwain::smtpd;

namespace {

constexpr MonoTime kBookOpened{std::chrono::hours(24)};

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
  for (int i = 0; i < 3; ++i) book.add(refusal("192.0.2.1", "a@x"), kBookOpened);
  book.add(refusal("192.0.2.1", "b@x"), kBookOpened);
  auto told = book.take();
  REQUIRE(told.size() == 2);
  CHECK(told[0].count == 3);
  CHECK(told[1].count == 1);
  CHECK(book.take().empty());
}

TEST_CASE("receive 11: a flood of one client leaves room for others, and nothing grows",
          "[refusals]") {
  RefusalBook book;
  for (int i = 0; i < 5000; ++i)
    book.add(refusal("192.0.2.1", std::to_string(i) + "@x"), kBookOpened);
  book.add(refusal("192.0.2.2", "a@x"), kBookOpened);
  auto told = book.take();
  REQUIRE(told.size() == kRefusalsPerClient + 2);
  CHECK(told[kRefusalsPerClient].count == 5000 - kRefusalsPerClient);
  CHECK(told[kRefusalsPerClient].recipient.empty());
  CHECK(told.back().client == "192.0.2.2");
  CHECK(told.back().recipient == "a@x");

  for (int i = 0; i < 5000; ++i) book.add(refusal(std::to_string(i), "a@x"), kBookOpened);
  CHECK(book.take().size() == ipc::kRefusalsInFrame);
  CHECK(book.lost() == 5000 - ipc::kRefusalsInFrame);
  book.add(refusal("192.0.2.3", std::string(5000, 'x')), kBookOpened);
  CHECK(book.take().at(0).recipient.size() == ipc::kRefusalTextMax);
  book.add(refusal("192.0.2.3", std::string("a\0\r\nb", 5)), kBookOpened);
  CHECK(book.take().at(0).recipient == "a???b");
}

TEST_CASE("security: one stranger does not drive the others' rows out of the history",
          "[refusals]") {
  // As fast as it goes for ten hours, with other words each time; IPv6 from other addresses as
  // well.
  for (bool ipv6 : {false, true}) {
    INFO(ipv6);
    RefusalBook book;
    std::size_t rows = 0;
    int number = 0;
    for (int second = 0; second < 36000; second += 5) {
      for (int i = 0; i < 40; ++i) {
        ++number;
        ipc::Refusal one = refusal("192.0.2.1", std::to_string(number) + "@x");
        if (ipv6) one.client = "2001:db8:1:" + std::to_string(number % 10000) + "::1";
        one.reason = "reason " + std::to_string(number);
        book.add(std::move(one), kBookOpened + std::chrono::seconds(second));
      }
      rows += book.take().size();
    }
    CHECK(rows <= 2 * (10 + 1) * kRefusalsPerHour);
    CHECK(rows > kRefusalsPerHour);
    book.add(refusal("198.51.100.1", "a@x"), kBookOpened + std::chrono::hours(10));
    REQUIRE(book.take().size() == 1);
  }
}
