#include "common/ipc/messages.h"
#include "common/ipc/filter_messages.h"
#include "common/ipc/reporter_report.h"
#include "common/ipc/signer_messages.h"
#include "common/ipc/signer_report.h"

#include <random>

#include <catch2/catch.hpp>

using namespace postwain;
using namespace postwain::ipc;

namespace {

mail::Envelope some_envelope() {
  mail::Envelope envelope;
  envelope.reverse_path = mail::Address::from_text("a@example.org");
  envelope.body = mail::BodyType::eight_bit_mime;
  envelope.smtputf8 = true;
  envelope.require_tls = true;
  envelope.tls_required_no = true;
  envelope.sign = mail::Signing::dkim;
  envelope.ret = mail::DsnReturn::headers;
  envelope.envid = "id+2B";
  envelope.recipients.push_back(
      {mail::Address::from_text("b@example.net"), {mail::Notify::success}, "rfc822;b"});
  envelope.recipients.push_back({mail::Address::from_text("postmaster"), {}, ""});
  return envelope;
}

Lease some_lease() {
  Lease lease;
  lease.lease = 7;
  lease.id = mail::QueueId{1234567890123ULL};
  lease.hop = *mail::NextHop::parse("smtp:a.example:25,[2001:db8::1]:26");
  lease.tls = mail::TlsLevel::verify;
  lease.sources = {"192.0.2.1"};
  lease.sign = true;
  lease.envelope = some_envelope();
  lease.recipients.push_back({3, lease.envelope.recipients[0]});
  lease.received_at = from_unix_ms(1763717400123);
  lease.size = 5;
  lease.inlined = true;
  lease.content = "hello";
  return lease;
}

Outcomes some_outcomes() {
  Outcomes outcomes;
  outcomes.lease = 9;
  outcomes.done = true;
  mail::Outcome outcome = mail::local_outcome(mail::Disposition::failed, mail::Stage::rcpt,
                                              mail::Blame::recipient, {5, 1, 1}, "no such user");
  outcome.reply.code = 550;
  outcome.remote_host = "mx.example";
  outcome.in_doubt = true;
  outcomes.outcomes.push_back({4, outcome});
  outcomes.outcomes.push_back({5, outcome});  // the same
  outcome.reply.text = "no such user either";
  outcomes.outcomes.push_back({9, outcome});
  outcomes.times.add(mail::Stage::connect, std::chrono::milliseconds(12));
  outcomes.times.add(mail::Stage::final_reply, std::chrono::seconds(200));
  outcomes.signing = {
      mail::SigningEnd::made,
      0,
      {{"example.org", "s1", "rsa-sha256"}, {"example.org", "e", "ed25519-sha256"}}};
  return outcomes;
}

template <class Message>
std::string payload_of(const Message& message) {
  std::string bytes;
  REQUIRE(append_frame(bytes, message));
  Frame frame;
  REQUIRE(next_frame(bytes, frame) == FrameState::complete);
  REQUIRE(frame.type == Message::kType);
  REQUIRE(frame.consumed == bytes.size());
  return std::string(frame.payload);
}

std::string hex(std::string_view octets) {
  constexpr const char* kDigits = "0123456789abcdef";
  std::string out;
  for (unsigned char c : octets) (out += kDigits[c >> 4]) += kDigits[c & 15];
  return out;
}

// Every cut must be refused, every flipped bit must at worst be refused: nothing reads past the
// end.
template <class Message>
void torture(const Message& message) {
  std::string payload = payload_of(message);
  Message out;
  REQUIRE(decode(payload, out));
  REQUIRE(payload_of(out) == payload);
  for (std::size_t cut = 0; cut < payload.size(); ++cut) {
    Message partial;
    REQUIRE_FALSE(decode(std::string_view(payload).substr(0, cut), partial));
  }
  Message longer;
  REQUIRE_FALSE(decode(payload + "x", longer));
  std::mt19937 random(42);
  for (int i = 0; i < 5000; ++i) {
    std::string bad = payload;
    for (int flips = 0; flips < 3; ++flips)
      bad[random() % bad.size()] = static_cast<char>(random());
    Message ignored;
    (void)decode(bad, ignored);
  }
}

}  // namespace

TEST_CASE("messages survive coding and refuse every cut") {
  torture(ReceiverCounts{7, {1, 0, 99}});
  torture(QueueImport{mail::QueueId{7}, 2, "why", true});
  torture(DropOwner{mail::QueueId{7}, 1000});
  torture(Decided{mail::QueueId{7}, {{3, mail::Reply{550, {5, 1, 1}, "no"}}}});
  torture(Hello{kProtocolVersion, Role::lmtp_client, 42, "lmtp-client[0]"});
  Submit submit;
  submit.id = mail::QueueId{99};
  submit.past_data = 3;
  submit.envelope = some_envelope();
  submit.arrival = {"ESMTP", "192.0.2.7", "client.example", "", from_unix_ms(5)};
  submit.content = "Received: x\r\n\r\nbody\r\n";
  torture(submit);
  SubmitFinal final{mail::QueueId{99}, 3, true, 70000, std::nullopt, "Received: x\r\n\r\n"};
  torture(final);
  final.envelope = some_envelope();
  torture(final);
  torture(SubmitResult{mail::QueueId{99}, mail::Reply{250, {2, 0, 0}, "Ok"}});
  torture(some_lease());
  Lease told = some_lease();
  told.xforward = true;
  told.arrival = submit.arrival;
  torture(told);
  torture(SubmitFile{mail::QueueId{99}, {5, 6}});
  torture(Hold{mail::QueueId{99}, "looks bad"});
  torture(PeerLink{"smtpd[0]", Role::smtpd, {5, 6}});
  torture(SignerKeys{{{"example.org", "s1", SigningAlgorithm::ed25519_sha256, false}}});
  torture(SignerKeys{});
  torture(SignRequest{7, {{3, std::string(kSignerHash, 'h')}, {0, std::string(kSignerHash, 'i')}}});
  torture(SignReply{7, {"signature", "another"}, {}});
  torture(SignReply{7, {}, "no luck"});
  torture(SignerReport{{1, 2}, 3, 4, 5});
  torture(ReporterReport{{ReporterCounts{1, 2, 3, 4, 5}, ReporterCounts{6, 7, 8, 9, 10}}});
  torture(ContentRequest{7, true});
  torture(Content{7, Content::Kind::whole, "hello", {5, 6}});
  torture(ConnectionRequest{7, 9, true, {{"mx.a,mx.b\n192.0.2.1", 2, 30, Duration(60000)}, {}}});
  torture(ConnectionGrant{7});
  torture(ConnectionEnd{7});
  torture(ConnectionWanted{9});
  torture(some_outcomes());
  mail::TlsResult result{"a.example",
                         {mail::ReportedPolicy::Type::sts, "a.example", {"mode: enforce"}, {"*.a"}},
                         mail::TlsEnd::sts_webpki_invalid,
                         "mx.a.example",
                         "192.0.2.1",
                         "198.51.100.2",
                         "why"};
  torture(TlsResults{{{result, 7}, {}}});
  torture(LateOutcomes{mail::QueueId{3}, some_outcomes().outcomes, {1, 2}});
  torture(ControlReply{1, true, 75, "{}"});
  torture(Admission{false, mail::Reply{452, {4, 3, 1}, "disk"}});
}

TEST_CASE("the octets of an envelope stay what they were") {
  Submit submit;
  submit.id = mail::QueueId{99};
  submit.past_data = 3;
  submit.envelope = some_envelope();
  submit.arrival = {"ESMTP", "192.0.2.7", "client.example", "anna", from_unix_ms(5)};
  submit.eight_bit = true;
  submit.content = "body";
  CHECK(hex(payload_of(submit)) ==
        "6300000000000000030000000d00000061406578616d706c652e6f72670101010102050000006964"
        "2b324201020000000d00000062406578616d706c652e6e657402080000007266633832323b620a00"
        "0000706f73746d617374657200000000000500000045534d5450090000003139322e302e322e370e"
        "000000636c69656e742e6578616d706c6504000000616e6e6105000000000000000104000000626f"
        "6479");
  Lease lease = some_lease();
  CHECK(hex(payload_of(lease)) ==
        "0700000000000000cb04fb711f01000001000000000200000009000000612e6578616d706c651900"
        "00000000000000000b000000323030313a6462383a3a311a00010000000000000005000001000000"
        "090000003139322e302e322e31000000000000000000000000010000000000000000000000000000"
        "00000000000000000000000000000000000000000000000000000000000000000000000000000000"
        "010d00000061406578616d706c652e6f726701010101020500000069642b324201020000000d0000"
        "0062406578616d706c652e6e657402080000007266633832323b620a000000706f73746d61737465"
        "72000000000001000000030000000d00000062406578616d706c652e6e6574020800000072666338"
        "32323b623bc6bfa59a0100000000050000000000000000010500000068656c6c6f00");
}

TEST_CASE("values survive") {
  Outcomes told;
  REQUIRE(decode(payload_of(some_outcomes()), told));
  REQUIRE(told.outcomes.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(told.outcomes[i].index == some_outcomes().outcomes[i].index);
    CHECK(told.outcomes[i].outcome == some_outcomes().outcomes[i].outcome);
  }
  CHECK(told.times.at(mail::Stage::connect) == 12000);
  CHECK(told.times.at(mail::Stage::mail) == 0);
  CHECK(told.times.at(mail::Stage::final_reply) == 200000000);
  CHECK(told.signing == some_outcomes().signing);
  Outcomes unsound = some_outcomes();
  unsound.signing.signatures[0].domain = "two words";
  CHECK_FALSE(decode(payload_of(unsound), told));
  Lease lease = some_lease();
  std::string payload = payload_of(lease);
  Lease out;
  REQUIRE(decode(payload, out));
  CHECK(out.hop == lease.hop);
  CHECK(out.sign);
  CHECK(out.envelope.sign == mail::Signing::dkim);
  CHECK(out.envelope.recipients == lease.envelope.recipients);
  CHECK(out.recipients[0].index == 3);
  CHECK(out.content == "hello");
  CHECK(out.received_at == lease.received_at);
  lease.bounds = {2, 3, 30, Duration(60000), 9, 4};
  REQUIRE(decode(payload_of(lease), out));
  CHECK(out.bounds == lease.bounds);
  lease.bounds.rate_period = Duration(-1);
  CHECK_FALSE(decode(payload_of(lease), out));
}

TEST_CASE("frames are cut at any split, a lying length is broken") {
  std::string bytes;
  REQUIRE(append_frame(bytes, SubmitAbort{mail::QueueId{1}}));
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    Frame frame;
    CHECK(next_frame(std::string_view(bytes).substr(0, size), frame) == FrameState::incomplete);
  }
  Frame frame;
  CHECK(next_frame(std::string("\xff\xff\xff\xff\x01\x00", 6), frame) == FrameState::broken);
  CHECK(next_frame(std::string("\x01\x00\x00\x00\x01\x00", 6), frame) == FrameState::broken);
}

TEST_CASE("S1: a message too large for a frame is refused, and what was there stays") {
  std::string bytes;
  REQUIRE(append_frame(bytes, SubmitAbort{mail::QueueId{1}}));
  std::string before = bytes;
  Lease lease = some_lease();
  lease.recipients[0].recipient.address =
      mail::Address::from_text("a@" + std::string(5'000'000, 'x'));
  lease.hop.domain = std::string(5'000'000, 'x');
  CHECK_FALSE(append_frame(bytes, lease));
  CHECK(bytes == before);
  // To the octet: the length counts the type, too.
  ControlReply reply{1, true, 0, {}};
  std::size_t rest = kFrameMax - payload_of(reply).size() - sizeof(std::uint16_t);
  reply.json.assign(rest + 1, 'x');
  CHECK_FALSE(append_frame(bytes, reply));
  CHECK(bytes == before);
  reply.json.pop_back();
  CHECK(append_frame(bytes, reply));
  CHECK(payload_of(reply).size() + sizeof(std::uint16_t) == kFrameMax);
}

TEST_CASE("what the signer and its users say is within its bounds, or does not decode") {
  auto decodes = [](const auto& message) {
    auto copy = message;
    return decode(payload_of(message), copy);
  };
  auto keys = [](std::size_t domain, std::size_t selector) {
    return SignerKeys{{{std::string(domain, 'd'), std::string(selector, 's')}}};
  };
  CHECK(decodes(keys(kSignerNameMax, kSignerNameMax)));
  CHECK_FALSE(decodes(keys(kSignerNameMax + 1, 1)));
  CHECK_FALSE(decodes(keys(1, kSignerNameMax + 1)));
  CHECK_FALSE(decodes(keys(0, 1)));
  CHECK_FALSE(decodes(keys(1, 0)));
  // As many as there may be fit into a frame.
  SignerKeys many{std::vector<SignerKey>(kSignerKeysMax, keys(255, 255).keys[0])};
  std::string frame;
  CHECK(append_frame(frame, many));
  CHECK(decodes(many));
  many.keys.push_back(many.keys[0]);
  CHECK_FALSE(decodes(many));

  auto request = [](std::size_t parts, std::size_t hash) {
    return SignRequest{1, std::vector<SignRequest::Part>(parts, {0, std::string(hash, 'h')})};
  };
  CHECK(decodes(request(kSignaturesMax, kSignerHash)));
  CHECK_FALSE(decodes(request(kSignaturesMax + 1, kSignerHash)));
  CHECK_FALSE(decodes(request(0, kSignerHash)));
  CHECK_FALSE(decodes(request(1, kSignerHash - 1)));
  CHECK_FALSE(decodes(request(1, kSignerHash + 1)));

  auto reply = [](std::size_t signatures, std::size_t octets, std::size_t trouble) {
    return SignReply{1, std::vector<std::string>(signatures, std::string(octets, 's')),
                     std::string(trouble, 't')};
  };
  CHECK(decodes(reply(kSignaturesMax, kSignatureMax, 0)));
  CHECK(decodes(reply(0, 0, kSignerTroubleMax)));
  CHECK_FALSE(decodes(reply(kSignaturesMax + 1, 1, 0)));
  CHECK_FALSE(decodes(reply(1, kSignatureMax + 1, 0)));
  CHECK_FALSE(decodes(reply(1, 0, 0)));
  CHECK_FALSE(decodes(reply(0, 0, 0)));
  CHECK_FALSE(decodes(reply(1, 1, 1)));
  CHECK_FALSE(decodes(reply(0, 0, kSignerTroubleMax + 1)));
}

TEST_CASE("frames that say all by their type hold nothing") {
  CHECK(payload_of(Draining{}).empty());
  CHECK(payload_of(NothingMore{}).empty());
  Draining draining;
  NothingMore nothing_more;
  CHECK(decode("", draining));
  CHECK(decode("", nothing_more));
  CHECK_FALSE(decode("x", draining));
  CHECK_FALSE(decode("x", nothing_more));
}

TEST_CASE("every role says hello") {
  for (int number = 0; number <= static_cast<int>(ipc::kRoleLast); ++number) {
    auto role = static_cast<ipc::Role>(number);
    CAPTURE(number);
    CHECK(ipc::name_of(role) != "?");
    std::string payload = payload_of(Hello{kProtocolVersion, role, 7, "name"});
    Hello back;
    REQUIRE(decode(payload, back));
    CHECK(back.role == role);
    // A command that is running while Postwain is replaced goes on, as long as the envelope is the
    // same; a delivery client of before would take a body for the whole content, smtpd would not
    // know the way to `filter`, and that would not tell of DNS lists.
    if (mail::kEnvelopeFormat == 1) {
      bool large_content = role == Role::smtp_client || role == Role::lmtp_client;
      CHECK((oldest_version(role) == kProtocolVersion) == (role == Role::filter));
      CHECK((oldest_version(role) == kProtocolVersion - 1) == (role == Role::smtpd));
      CHECK((oldest_version(role) == kProtocolVersion - 2) == large_content);
    }
    CHECK(oldest_version(role) <= kProtocolVersion);
  }
}

TEST_CASE("S3: a list grows by what is there, whatever its count says") {
  // A submission whose list of recipients says it has millions of them.
  Submit submit;
  submit.id = mail::QueueId{7};
  std::string frame;
  REQUIRE(append_frame(frame, submit));
  constexpr std::size_t kHead = 6;
  // id, past_data, reverse-path, five single octets, envid, sign: then the count.
  constexpr std::size_t kCount = kHead + 8 + 4 + 4 + 5 + 4 + 1;
  auto with_count = [&](std::uint32_t count, std::size_t octets) {
    std::string payload = frame.substr(kHead, kCount - kHead);
    payload.append(reinterpret_cast<const char*>(&count), sizeof count);
    payload.append(octets, '\0');
    return payload;
  };
  Submit out;
  CHECK_FALSE(decode(with_count(8'000'000, 8'000'000), out));
  CHECK(out.envelope.recipients.capacity() < 10);
  // Also one that is not too long fails when nothing is there, and has not grown before.
  CHECK_FALSE(decode(with_count(90'000, 90'000), out));
  CHECK(out.envelope.recipients.size() <= 10'001);
}

TEST_CASE("S3: what an outcome repeats is bounded") {
  auto decoded = [](std::size_t text, std::size_t count) {
    Outcomes outcomes;
    mail::Outcome outcome = mail::local_outcome(mail::Disposition::deferred, mail::Stage::rcpt,
                                                mail::Blame::recipient, {4, 2, 0}, "later");
    outcome.reply.text = std::string(text, 'x');
    for (std::uint32_t i = 0; i < count; ++i) outcomes.outcomes.push_back({i, outcome});
    std::string frame;
    REQUIRE(append_frame(frame, outcomes));
    Outcomes out;
    return decode(std::string_view(frame).substr(6), out);
  };
  CHECK(decoded(500, 1000));
  CHECK(decoded(2000, 4000));
  CHECK_FALSE(decoded(1'000'000, 100));
}
