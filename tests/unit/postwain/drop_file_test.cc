#include "postwain/client/drop_file.h"

#include <catch2/catch.hpp>

using namespace postwain;
using namespace postwain::tool;

namespace {

DropHead some_head() {
  DropHead head;
  head.id = *mail::QueueId::parse("0SC0A123TEW00");
  head.arrival.protocol = "local";
  head.arrival.account = "anna";
  head.arrival.received_at = from_unix_ms(1763717400123);
  head.envelope.body = mail::BodyType::eight_bit_mime;
  head.envelope.reverse_path = mail::Address::from_text("anna@example.org");
  head.envelope.ret = mail::DsnReturn::headers;
  head.envelope.envid = "order 7";
  head.envelope.tls_required_no = true;
  head.envelope.recipients = {
      {mail::Address::from_text("b@example.net"), {mail::Notify::success}, {}},
      {mail::Address::from_text("\"odd one\"@example.net"), {}, {}},
      {mail::Address::from_text("grün@bücher.example"), {mail::Notify::never}, {}}};
  head.envelope.smtputf8 = true;
  return head;
}

}  // namespace

TEST_CASE("what sendmail leaves comes back as it was") {
  DropHead head = some_head();
  for (const char* sender : {"anna@example.org", ""}) {
    head.envelope.reverse_path = mail::Address::from_text(sender);
    std::string text = encode_drop_head(head);
    CHECK(drop_head_size(text + "Subject: x\r\n\r\n") == text.size());
    CHECK(drop_head_size(text.substr(0, text.size() - 1)) == 0);
    auto back = parse_drop_head(text);
    REQUIRE(back.ok());
    CHECK(back->id == head.id);
    CHECK(back->arrival.account == "anna");
    CHECK(back->arrival.received_at == head.arrival.received_at);
    CHECK(back->envelope.reverse_path == head.envelope.reverse_path);
    CHECK(back->envelope.recipients == head.envelope.recipients);
    CHECK(back->envelope.ret == head.envelope.ret);
    CHECK(back->envelope.envid == head.envelope.envid);
    CHECK(back->envelope.smtputf8);
    CHECK(back->envelope.tls_required_no);
  }
}

TEST_CASE("a value cannot become a line") {
  DropHead head = some_head();
  head.envelope.envid = "a\nrecipient 0 victim@example.org";
  head.arrival.account = "x\n\nbody";
  auto back = parse_drop_head(encode_drop_head(head));
  REQUIRE(back.ok());
  CHECK(back->envelope.recipients.size() == 3);
  CHECK(back->arrival.account == "x  body");
}

TEST_CASE("what others wrote into the drop folder is refused with a reason") {
  std::string good = encode_drop_head(some_head());
  REQUIRE(parse_drop_head(good).ok());
  auto with = [&](std::string_view from, std::string_view to) {
    std::string text = good;
    std::size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    return text.replace(at, from.size(), to);
  };
  std::string bad[] = {
      "",
      "\n",
      "garbage",
      "postwain-drop 2\n\n",
      with("postwain-drop 1", "postwain-drop 1 "),
      with("id 0SC0A123TEW00", "id nonsense"),
      with("id 0SC0A123TEW00\n", ""),
      with("received 1763717400123", "received -1"),
      with("received 1763717400123\n", ""),
      with("sender anna@example.org", "sender anna@"),
      with("sender anna@example.org", "sender a\tb@example.org"),
      with("recipient 2 b@example.net", "recipient 16 b@example.net"),
      with("recipient 2 b@example.net", "recipient b@example.net"),
      with("recipient 2 b@example.net", "recipient 2 b@exa mple.net"),
      with("recipient 2 b@example.net", "recipient 2 " + std::string(5000, 'a') + "@example.net"),
      with("ret 2", "ret 3"),
      with("utf8 1", "utf8 yes"),
      with("account anna", "accounts anna"),
      with("account anna", "account an\rna"),
      with("account anna", std::string("account an\0na", 13)),
      "postwain-drop 1\nid 0SC0A123TEW00\nreceived 5\n\n",
  };
  for (const std::string& text : bad) {
    CAPTURE(text);
    auto parsed = parse_drop_head(text);
    REQUIRE_FALSE(parsed.ok());
    CHECK_FALSE(parsed.error().text.empty());
  }
}

TEST_CASE("ids given at the drop are ids, of a worker that nobody else is") {
  for (std::uint32_t random : {0U, 1U, 1022U, 1023U, 0xFFFFFFFFU, 0x12345678U}) {
    mail::QueueId id = drop_id(from_unix_ms(1763717400123), random);
    CHECK(mail::QueueId::parse(id.text()) == id);
    CHECK(id.worker() == mail::kDropWorker);
    CHECK(id.made_at() <= from_unix_ms(1763717400123));
    CHECK(id.made_at() > from_unix_ms(1763717400123 - 1100));
  }
}
