// A queued message as an export keeps it.
#include <catch2/catch.hpp>

#include <nlohmann/json.hpp>

#include "postwain/commands/portable.h"

using namespace postwain;
using namespace postwain::tool;
using Json = nlohmann::ordered_json;

namespace {

// As qmgr shows it.
const char* const kShown =
    R"({"id":"0000000000034","sender":"s@example.com","size":7,"received_at":"2027-01-15T08:00:00Z",)"
    R"("state":"held","route":"mx:example.net","class":"interactive","protocol":"ESMTPS",)"
    R"("client_address":"192.0.2.7","client_name":"c.example","account":"anna","body":"BINARYMIME",)"
    R"("eight_bit":true,"ret":"HDRS","kind":1,"received_ms":1800000000000,"envid":"id+2B",)"
    R"("smtputf8":true,"require_tls":true,"tls_required_no":false,"sign":"dkim","content_in_file":false,)"
    R"("recipients":[{"address":"b@example.net","state":"held","attempts":2,"in_doubt":false,)"
    R"("next_attempt_at":"","last_reply":"450 later","last_host":"","index":3,"route":"mx",)"
    R"("notify":"SUCCESS,DELAY","orcpt":"rfc822;b","delay_warned":false},)"
    R"({"address":"c@example.net","state":"queued","attempts":0,"in_doubt":true,"last_reply":"",)"
    R"("notify":"","orcpt":""}]})";

}  // namespace

TEST_CASE("an export has the same members in the same order as ever") {
  CHECK(portable_text(kShown).take() == R"({
 "format": "postwain-message 1",
 "id": "0000000000034",
 "sender": "s@example.com",
 "size": 7,
 "received_at": "2027-01-15T08:00:00Z",
 "received_ms": 1800000000000,
 "protocol": "ESMTPS",
 "client_address": "192.0.2.7",
 "client_name": "c.example",
 "account": "anna",
 "body": "BINARYMIME",
 "eight_bit": true,
 "smtputf8": true,
 "require_tls": true,
 "tls_required_no": false,
 "ret": "HDRS",
 "envid": "id+2B",
 "sign": "dkim",
 "kind": 1,
 "recipients": [
  {
   "address": "b@example.net",
   "notify": "SUCCESS,DELAY",
   "orcpt": "rfc822;b",
   "state": "held",
   "attempts": 2,
   "in_doubt": false,
   "last_reply": "450 later"
  },
  {
   "address": "c@example.net",
   "notify": "",
   "orcpt": "",
   "state": "queued",
   "attempts": 0,
   "in_doubt": true,
   "last_reply": ""
  }
 ]
}
)");
}

TEST_CASE("an export is read back with every field of the envelope") {
  auto back = parse_portable(portable_text(kShown).take());
  REQUIRE(back.ok());
  const mail::Envelope& envelope = back->envelope;
  CHECK(back->id.text() == "0000000000034");
  CHECK(envelope.reverse_path.text() == "s@example.com");
  CHECK(envelope.body == mail::BodyType::binary_mime);
  CHECK(envelope.ret == mail::DsnReturn::headers);
  CHECK(envelope.envid == "id+2B");
  CHECK(envelope.smtputf8);
  CHECK(envelope.require_tls);
  CHECK_FALSE(envelope.tls_required_no);
  CHECK(envelope.sign == mail::Signing::dkim);
  CHECK(back->kind == 1);
  CHECK(back->held == std::vector<bool>{true, false});
  REQUIRE(envelope.recipients.size() == 2);
  CHECK(envelope.recipients[0].notify.bits == (mail::Notify::success | mail::Notify::delay));
  CHECK(envelope.recipients[0].orcpt == "rfc822;b");
  CHECK(envelope.recipients[1].address.text() == "c@example.net");
}

TEST_CASE("an export of before mail was signed is taken, and signs nothing") {
  Json old = Json::parse(portable_text(kShown).take());
  old.erase("sign");
  auto back = parse_portable(old.dump());
  REQUIRE(back.ok());
  CHECK(back->envelope.sign == mail::Signing::none);
  old["sign"] = 1;
  CHECK_FALSE(parse_portable(old.dump()).ok());
}

TEST_CASE("an export says whether filters are still to be asked") {
  CHECK_FALSE(parse_portable(portable_text(kShown).take())->unjudged);
  Json shown = Json::parse(kShown);
  shown["unjudged"] = true;
  std::string text = portable_text(shown.dump()).take();
  CHECK(parse_portable(text)->unjudged);
  Json bad = Json::parse(text);
  bad["unjudged"] = "yes";
  CHECK_FALSE(parse_portable(bad.dump()).ok());
}

TEST_CASE("what is missing or wrong in an export is refused by its name") {
  const Json good = Json::parse(portable_text(kShown).take());
  for (const char* name : {"sender", "body", "ret", "smtputf8", "require_tls", "tls_required_no",
                           "envid", "protocol", "received_ms", "eight_bit", "size", "kind"}) {
    CAPTURE(name);
    for (bool absent : {true, false}) {
      Json bad = good;
      if (absent)
        bad.erase(name);
      else
        bad[name] = Json::array();
      auto read = parse_portable(bad.dump());
      REQUIRE_FALSE(read.ok());
      CHECK(read.error().text.find(std::string("'") + name + "'") != std::string::npos);
    }
  }
  for (auto [name, value] : {std::pair("address", ""), {"notify", "ALWAYS"}, {"orcpt", "a\nb"}}) {
    CAPTURE(name);
    Json bad = good;
    bad["recipients"][0][name] = value;
    CHECK_FALSE(parse_portable(bad.dump()).ok());
  }
  Json null_sender = good;
  null_sender["sender"] = "";
  CHECK(parse_portable(null_sender.dump()).ok());
  Json other_case = good;
  other_case["body"] = "binarymime";
  CHECK_FALSE(parse_portable(other_case.dump()).ok());
}
