// What filters make of an envelope (smtpd/filter/envelope_edits.h).
#include <catch2/catch.hpp>

#include "common/filtering/envelope_edits.h"

using namespace postwain;
using namespace postwain::filtering;

namespace {

mail::Envelope envelope_to(const std::vector<std::string>& recipients) {
  mail::Envelope envelope;
  envelope.reverse_path = mail::Address::from_text("s@example.com");
  envelope.envid = "first";
  for (const std::string& one : recipients)
    envelope.recipients.push_back({mail::Address::from_text(one), {}, {}});
  return envelope;
}

std::string recipients_of(const mail::Envelope& envelope) {
  std::string out;
  for (const mail::Recipient& one : envelope.recipients) {
    if (!out.empty()) out += ' ';
    out += one.address.text();
  }
  return out;
}

}  // namespace

TEST_CASE("filters take recipients out before they add others", "[filter]") {
  mail::Envelope envelope = envelope_to({"a@x.org", "b@x.org"});
  ipc::FilterResult result;
  result.recipients_removed = {"<a@X.ORG>", "c@x.org"};
  result.recipients_added = {{"<a@x.org>", {}}, {"b@x.org", {}}, {"new@x.org", {}}};
  EnvelopeEdits edits = apply_edits(result, envelope);
  CHECK(edits.changed);
  CHECK(edits.mistakes.empty());
  CHECK(recipients_of(envelope) == "b@x.org a@x.org new@x.org");
}

TEST_CASE("parameters of filters count, and wrong ones are left out", "[filter]") {
  mail::Envelope envelope = envelope_to({"a@x.org"});
  ipc::FilterResult result;
  result.recipients_added = {{"<b@x.org>", "NOTIFY=NEVER ORCPT=rfc822;c@x.org"},
                             {"<d@x.org>", "NOTIFY=SOMETIMES"}};
  result.sender = ipc::FilterAddress{"<new@example.com>", "RET=HDRS"};
  EnvelopeEdits edits = apply_edits(result, envelope);
  REQUIRE(envelope.recipients.size() == 3);
  CHECK(envelope.recipients[1].notify.text() == "NEVER");
  CHECK(envelope.recipients[1].orcpt == "rfc822;c@x.org");
  CHECK(envelope.recipients[2].address.text() == "d@x.org");
  CHECK(edits.mistakes == std::vector<std::string>{"NOTIFY=SOMETIMES"});
  CHECK(envelope.reverse_path.text() == "new@example.com");
  CHECK(envelope.ret == mail::DsnReturn::headers);
  CHECK(envelope.envid == "first");
}

TEST_CASE("what is no address changes nothing and is named", "[filter]") {
  mail::Envelope envelope = envelope_to({"a@x.org"});
  ipc::FilterResult result;
  result.recipients_added = {{"<no one>", {}}, {"", {}}};
  result.recipients_removed = {"<also wrong"};
  result.sender = ipc::FilterAddress{"<a@b@c>", {}};
  EnvelopeEdits edits = apply_edits(result, envelope);
  CHECK_FALSE(edits.changed);
  CHECK(edits.mistakes.size() == 4);
  CHECK(recipients_of(envelope) == "a@x.org");
  CHECK(envelope.reverse_path.text() == "s@example.com");
}

TEST_CASE("a filter can make a message one of nobody", "[filter]") {
  mail::Envelope envelope = envelope_to({"a@x.org"});
  ipc::FilterResult result;
  result.sender = ipc::FilterAddress{"<>", {}};
  CHECK(apply_edits(result, envelope).changed);
  CHECK(envelope.reverse_path.is_null());
}
