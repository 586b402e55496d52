// The end of large content: its header section and the last word on its envelope come behind the
// body, and the file in the spool holds the body only.
#include <catch2/catch.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "tests/unit/qmgr/qmgr_rig.h"

using namespace postwain;
using namespace postwain::qmgr;
using namespace postwain::qmgr::test;
using ipc::FrameType;
using ipc::Role;

namespace {

const std::string kHeader = "Received: here\r\nMessage-ID: <m@x>\r\nSubject: large\r\n\r\n";

mail::QueueId new_id(std::uint64_t counter = 1) {
  static const mail::QueueId first = mail::QueueId::first_of(wall_now()).with_worker(5);
  return mail::QueueId{first.value | counter};
}

mail::Envelope envelope_for(const std::vector<std::string>& to) {
  mail::Envelope out;
  out.reverse_path = mail::Address::from_text("a@b.test");
  for (const std::string& one : to)
    out.recipients.push_back({mail::Address::from_text(one), {}, {}});
  return out;
}

// What an smtpd does with large content, a step at a time.
struct Sending {
  Rig rig;
  std::unique_ptr<RawPeer> smtpd = rig.peer(Role::smtpd);
  mail::QueueId id = new_id();
  std::string body = std::string(70000, 'x') + "\r\n";

  void open() {
    smtpd->send(ipc::SubmitOpen{id, envelope_for({"v@x.test"}), {"ESMTP", "", "", "", wall_now()}});
    REQUIRE(rig.until([&] { return smtpd->count(FrameType::submit_file) == 1; }));
    UniqueFd file = smtpd->take(smtpd->got<ipc::SubmitFile>().file);
    REQUIRE(file);
    REQUIRE(write_all(file.get(), body).ok());
  }
  ipc::SubmitFinal end() const { return {id, 0, false, body.size(), std::nullopt, kHeader}; }
  int answer(const ipc::SubmitFinal& final) {
    smtpd->send(final);
    REQUIRE(
        rig.until([&] { return smtpd->closed() || smtpd->count(FrameType::submit_result) > 0; }));
    return smtpd->closed() ? 0 : smtpd->code();
  }
  std::string file_name() const { return rig.folder.path() + "/content/" + id.text(); }
  bool file_is_there() const { return ::access(file_name().c_str(), F_OK) == 0; }
  std::string in_file() const {
    auto bytes = read_small_file(file_name());
    return bytes ? *bytes : bytes.error().text;
  }
  // As the store has it.
  MessageInfo info() {
    std::optional<MessageInfo> out;
    rig.queue->store().read([&](QueueStore& store) -> StoreWorker::Completion {
      auto found = QueueReader(store).info(id);
      return [&out, found] {
        REQUIRE(found.ok());
        REQUIRE(found->has_value());
        out = **found;
      };
    });
    REQUIRE(rig.until([&] { return out.has_value(); }));
    return *out;
  }
};

}  // namespace

TEST_CASE(
    "the file of a message holds its body, and who delivers it gets the same octets as ever") {
  Sending sending;
  sending.open();
  auto agent = sending.rig.peer(Role::smtp_client);
  CHECK(sending.answer(sending.end()) == 250);
  CHECK(sending.in_file() == sending.body);
  MessageInfo info = sending.info();
  CHECK(info.in_file);
  CHECK(info.header_size == kHeader.size());
  CHECK(info.size == kHeader.size() + sending.body.size());
  REQUIRE(sending.rig.until([&] { return agent->count(FrameType::lease) == 1; }));
  ipc::Lease lease = agent->got<ipc::Lease>();
  CHECK_FALSE(lease.inlined);
  CHECK(lease.size == info.size);
  agent->send(ipc::ContentRequest{lease.lease, false});
  REQUIRE(sending.rig.until([&] { return agent->count(FrameType::content) == 1; }));
  ipc::Content content = agent->got<ipc::Content>();
  CHECK(content.kind == ipc::Content::Kind::file);
  CHECK(content.content == kHeader);
  UniqueFd file = agent->take(content.file);
  REQUIRE(file);
  CHECK(read_small_fd(file.get()).take() == sending.body);
}

TEST_CASE("an operator reads header section and body as one") {
  Sending sending;
  sending.open();
  REQUIRE(sending.answer(sending.end()) == 250);
  std::string whole = kHeader + sending.body;
  MessageInfo info = sending.info();
  for (std::size_t offset : {std::size_t{0}, std::size_t{5}, kHeader.size() - 1, kHeader.size(),
                             kHeader.size() + 1, whole.size() - 3, whole.size()})
    for (std::size_t length : {std::size_t{1}, kHeader.size(), std::size_t{1} << 20}) {
      CAPTURE(offset, length);
      std::optional<std::string> piece;
      sending.rig.queue->content().read(info, offset, length,
                                        [&](std::optional<std::string> bytes) {
                                          REQUIRE(bytes);
                                          piece = *std::move(bytes);
                                        });
      REQUIRE(sending.rig.until([&] { return piece.has_value(); }));
      CHECK(*piece == whole.substr(offset, length));
    }
}

TEST_CASE("without a header section apart the file holds all") {
  Sending sending;
  sending.body = kHeader + sending.body;
  sending.open();
  ipc::SubmitFinal final = sending.end();
  final.header = {};
  CHECK(sending.answer(final) == 250);
  CHECK(sending.in_file() == sending.body);
  CHECK(sending.info().header_size == 0);
}

TEST_CASE("the last word on the envelope counts, and is judged as the first was") {
  Sending sending;
  sending.open();
  ipc::SubmitFinal final = sending.end();
  SECTION("other recipients") {
    final.envelope = envelope_for({"c@x.test", "d@x.test"});
    final.envelope->reverse_path = mail::Address::from_text("other@b.test");
    final.envelope->body = mail::BodyType::binary_mime;
    CHECK(sending.answer(final) == 250);
    CHECK(sending.rig.queue->totals().counts().recipients() == 2);
    CHECK(sending.info().envelope.reverse_path.text() == "other@b.test");
    CHECK(sending.info().envelope.body == mail::BodyType::seven_bit);  // it is about the content
    return;
  }
  SECTION("what was decided of them comes before it") {
    final.envelope = envelope_for({"c@x.test", "d@x.test"});
    sending.smtpd->send(ipc::Decided{sending.id, {{0, {250, {2, 0, 0}, "discarded"}}}});
    CHECK(sending.answer(final) == 250);
    CHECK(
        sending.rig.until([&] { return sending.rig.queue->totals().counts().recipients() == 1; }));
    return;
  }
  SECTION("nobody") {
    final.envelope = envelope_for({});
    CHECK(sending.answer(final) == 554);
  }
  SECTION("no address") {
    final.envelope = envelope_for({"c@x.test", "no address"});
    CHECK(sending.answer(final) == 553);
  }
  // Nothing of it stays, and its id is free.
  CHECK_FALSE(sending.file_is_there());
  sending.smtpd->send(ipc::Submit{sending.id,
                                  0,
                                  envelope_for({"v@x.test"}),
                                  {"ESMTP", "", "", "", wall_now()},
                                  false,
                                  "Subject: x\r\n\r\n"});
  REQUIRE(sending.rig.until([&] { return sending.smtpd->count(FrameType::submit_result) == 2; }));
  CHECK(sending.smtpd->code(1) == 250);
}

TEST_CASE("a lone line end in the header section refuses the message") {
  Sending sending;
  sending.open();
  ipc::SubmitFinal final = sending.end();
  final.header = "Subject: x\nBcc: y\r\n\r\n";
  CHECK(sending.answer(final) == 550);
  CHECK_FALSE(sending.file_is_there());
}

TEST_CASE("a file of another size than was said is an error") {
  Sending sending;
  sending.open();
  ipc::SubmitFinal final = sending.end();
  final.file_size += kHeader.size();
  CHECK(sending.answer(final) == 451);
  CHECK_FALSE(sending.file_is_there());
}

TEST_CASE("what no smtpd of ours sends at the end of content ends its connection") {
  Sending sending;
  sending.open();
  ipc::SubmitFinal final = sending.end();
  std::string header;
  SECTION("a header section beyond kHeaderApartMax") {
    header = "X: " + std::string(ipc::kHeaderApartMax - 6, 'x') + "\r\n\r\n";
    final.header = header;
  }
  SECTION("octets of the body behind the header section") {
    header = kHeader + "body\r\n";
    final.header = header;
  }
  SECTION("text that is no header section") {
    final.header = "body\r\n";
  }
  SECTION("content of more than there can be") {
    final.file_size = UINT64_MAX;
  }
  SECTION("very many recipients") {
    final.envelope.emplace();
    final.envelope->recipients.resize(kEnvelopeRecipientsMax + 1);
  }
  SECTION("twice") {
    sending.smtpd->send(final);
  }
  SECTION("the end of content in chunks") {
    sending.smtpd->send(ipc::SubmitEnd{sending.id, 0, false, sending.body.size()});
  }
  sending.smtpd->send(final);
  CHECK(sending.rig.until([&] { return sending.smtpd->closed(); }));
}

TEST_CASE("an end before the opening, or behind the answer, is passed over") {
  Sending sending;
  sending.smtpd->send(sending.end());
  sending.open();
  REQUIRE(sending.answer(sending.end()) == 250);
  sending.smtpd->send(sending.end());
  auto witness = sending.rig.peer(Role::smtpd);
  CHECK_FALSE(sending.smtpd->closed());
  CHECK(sending.smtpd->count(FrameType::submit_result) == 1);
}

TEST_CASE("who sends chunks is lent no file, and cannot end one") {
  Rig rig;
  auto role = GENERATE(Role::sendmail, Role::queue_import);
  auto peer = rig.peer(role);
  peer->send(
      ipc::SubmitOpen{new_id(), envelope_for({"v@x.test"}), {"local", "", "", "", wall_now()}});
  peer->send(ipc::SubmitChunk{new_id(), "Subject: x\r\n\r\nbody\r\n"});
  peer->send(ipc::SubmitFinal{new_id(), 0, false, 6, std::nullopt, "Subject: x\r\n\r\n"});
  CHECK(rig.until([&] { return peer->closed(); }));
}

TEST_CASE("of content in chunks the header section is cut off here, wherever they end") {
  struct Row {
    std::string header;
    std::string body;
    bool apart;
  };
  const std::string lines = std::string(1000, 'x') + "\r\n";
  constexpr std::size_t kHeaderMax = 150'000;
  const Row row =
      GENERATE_REF(Row{"Subject: chunks\r\nX: y\r\n\r\n", lines, true},
                   Row{"Subject: chunks\r\nX: y\r\n\r\n", "", true},
                   Row{"Subject: no empty line\r\n", lines, true},
                   Row{"Subject: nothing but a header section\r\n", "", true},
                   Row{"Subject: " + std::string(kHeaderMax - 50, 'x') + "\r\n\r\n", lines, true},
                   Row{"Subject: " + std::string(kHeaderMax, 'x') + "\r\n\r\n", lines, false});
  const std::string all = row.header + row.body;
  std::size_t at_once = GENERATE(1, 7, 1U << 20);
  if (all.size() > 10000 && at_once == 1) at_once = 4096;
  CAPTURE(row.header.size(), row.body.size(), at_once);
  TempFolder folder;
  ContentFolder files(folder.path() + "/content");
  REQUIRE(files.create().ok());
  std::string head = GENERATE("", "Received: by us\r\n");
  Upload upload(files, new_id(), {head, "us.example", true, UINT64_MAX, kHeaderMax});
  upload.begin();
  for (std::size_t at = 0; at < all.size(); at += at_once)
    upload.append(std::string_view(all).substr(at, at_once));
  upload.finish(all.size());
  REQUIRE_FALSE(upload.failed());
  std::string kept = upload.take_header();
  CHECK(kept == (row.apart ? head + row.header : ""));
  CHECK(*files.read(new_id(), 0, 1U << 20) == (head + all).substr(kept.size()));
}

TEST_CASE("local mail's header section above 64 KiB lies apart, while few send such") {
  Rig rig;
  auto peer = rig.peer(Role::sendmail);
  std::string header = "Subject: " + std::string(200'000, 'x') + "\r\n\r\n";
  std::string content = header + std::string(100, 'y') + "\r\n";
  peer->send(
      ipc::SubmitOpen{new_id(), envelope_for({"v@x.test"}), {"local", "", "", "", wall_now()}});
  for (std::size_t at = 0; at < content.size(); at += ipc::kContentChunk)
    peer->send(
        ipc::SubmitChunk{new_id(), std::string_view(content).substr(at, ipc::kContentChunk)});
  peer->send(ipc::SubmitEnd{new_id(), 0, false, content.size()});
  REQUIRE(rig.until([&] { return peer->count(FrameType::submit_result) == 1; }));
  REQUIRE(peer->code() == 250);
  auto client = rig.peer(Role::smtp_client);
  REQUIRE(rig.until([&] { return client->count(FrameType::lease) == 1; }));
  client->send(ipc::ContentRequest{client->got<ipc::Lease>().lease, false});
  REQUIRE(rig.until([&] { return client->count(FrameType::content) == 1; }));
  auto lent = client->got<ipc::Content>();
  CHECK(lent.kind == ipc::Content::Kind::file);
  CHECK(lent.content.ends_with(header));
}

TEST_CASE("a sender of chunks who says that he sent less gets an error") {
  TempFolder folder;
  ContentFolder files(folder.path() + "/content");
  REQUIRE(files.create().ok());
  std::uint64_t said = GENERATE(0, 5, 17);
  Upload upload(files, new_id(), {"Received: by us\r\n", "us.example", true, UINT64_MAX});
  upload.begin();
  upload.append("Subject: x\r\n\r\nbody\r\n");
  upload.finish(said);
  CHECK(upload.failed());
}
