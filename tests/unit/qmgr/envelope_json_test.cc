// What `queue show` says of an envelope, to the octet: programs read it, and so does `queue
// import`.
#include <catch2/catch.hpp>

#include "qmgr/control/json/queue_json.h"
#include "tests/unit/qmgr/support.h"

using namespace postwain;
using namespace postwain::qmgr;

TEST_CASE("queue show writes the members of an envelope as ever") {
  StoredMessage message;
  message.info = test::make_message(100, {}).info;
  message.info.kind = MessageKind::notice;
  mail::Envelope& envelope = message.info.envelope;
  envelope.body = mail::BodyType::binary_mime;
  envelope.smtputf8 = true;
  envelope.require_tls = true;
  envelope.ret = mail::DsnReturn::headers;
  envelope.envid = "id+2B";
  StoredRecipient r;
  r.index = 3;
  r.recipient = {mail::Address::from_text("b@example.net"),
                 {mail::Notify::success | mail::Notify::delay},
                 "rfc822;b"};
  r.state = RecipientState::held;
  r.destination = "mx:example.net";
  message.recipients.push_back(r);
  auto none = [](mail::QueueId, std::uint32_t) { return false; };
  CHECK(
      json_shown(message, RowView(none), false).at(0) ==
      R"({"id":"0000000000034","sender":"sender@example.com","size":43,"received_at":"2)"
      R"(027-01-15T08:00:00Z","state":"held","route":"mx:example.net","class":"interact)"
      R"(ive","protocol":"ESMTP","client_address":"192.0.2.7","client_name":"client.exa)"
      R"(mple","account":"","body":"BINARYMIME","eight_bit":false,"ret":"HDRS","kind":1)"
      R"(,"received_ms":1800000000000,"envid":"id+2B","smtputf8":true,"require_tls":tru)"
      R"(e,"tls_required_no":false,"sign":"","content_in_file":false,"recipients":[{"address":"b@)"
      R"(example.net","state":"held","attempts":0,"in_doubt":false,"next_attempt_at":"")"
      R"(,"last_reply":"","last_host":"","index":3,"route":"mx:example.net","notify":"S)"
      R"(UCCESS,DELAY","orcpt":"rfc822;b","delay_warned":false,"last_stage":"","last_at)"
      R"(tempt_at":""}]})");
  envelope = {};
  envelope.tls_required_no = true;
  envelope.sign = mail::Signing::dkim;
  message.recipients[0].recipient = {mail::Address::from_text("postmaster"), {}, {}};
  CHECK(
      json_shown(message, RowView(none), false).at(0) ==
      R"({"id":"0000000000034","sender":"","size":43,"received_at":"2027-01-15T08:00:00)"
      R"(Z","state":"held","route":"mx:example.net","class":"interactive","protocol":"E)"
      R"(SMTP","client_address":"192.0.2.7","client_name":"client.example","account":"")"
      R"(,"body":"7BIT","eight_bit":false,"ret":"","kind":1,"received_ms":1800000000000)"
      R"(,"envid":"","smtputf8":false,"require_tls":false,"tls_required_no":true,"sign":"dkim","conte)"
      R"(nt_in_file":false,"recipients":[{"address":"postmaster","state":"held","attemp)"
      R"(ts":0,"in_doubt":false,"next_attempt_at":"","last_reply":"","last_host":"","in)"
      R"(dex":3,"route":"mx:example.net","notify":"","orcpt":"","delay_warned":false,"l)"
      R"(ast_stage":"","last_attempt_at":""}]})");
  RowView shared(none);
  shared.node_of = [](mail::QueueId id) { return "mx" + std::to_string(id.value % 10); };
  const std::string named = R"("class":"interactive","node":"mx0",)";
  CHECK(json_shown(message, shared, false).at(0).find(named) != std::string::npos);
  CHECK(json_listed(message, shared, false).at(0).find(named.substr(0, named.size() - 1)) !=
        std::string::npos);
  // That it is meant to be signed is not that it can be.
  RowView keyless(none);
  keyless.signs = false;
  CHECK(json_shown(message, keyless, false)
            .at(0)
            .find(R"("signing":"no key is configured ([[dkim_key]]), so it leaves unsigned")") !=
        std::string::npos);
  envelope.sign = mail::Signing::none;
  CHECK(json_shown(message, keyless, false).at(0).find("signing") == std::string::npos);
}
