// Sessions on a real loop and real sockets, with a qmgr of this test behind a Unix socket: what
// happens when one of the three parties is slow, gone, or early.
#include <catch2/catch.hpp>

#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>

#include "common/config/config.h"
#include "common/daemon/ipc_connection.h"
#include "common/log/log.h"
#include "smtpd/session/session.h"

using namespace postwain;
using namespace postwain::smtpd;
using namespace std::chrono_literals;

namespace {

// Answers like qmgr; `hold` keeps its answers back until release().
class FakeQmgr {
 public:
  FakeQmgr(net::Loop& loop, const std::string& path) : loop_(loop), path_(path) { listen(); }

  void listen() {
    auto fd = net::bind_listener({{}, 0, path_});
    REQUIRE(fd.ok());
    listener_ = std::make_unique<net::Listener>(
        loop_, *fd,
        [this](net::Stream stream) {
          connection_ = std::make_unique<daemon::IpcConnection>(
              loop_, std::move(stream),
              daemon::IpcConnection::Callbacks{
                  .on_frame = [this](ipc::FrameType type,
                                     std::string_view payload) { return frame(type, payload); },
                  .on_closed = [](const std::string&) {},
                  .on_drained = [] {},
              });
        },
        net::Carries::descriptors);
  }
  void die() {
    listener_.reset();
    connection_.reset();
    ::unlink(path_.c_str());
  }
  void release() {
    hold = false;
    for (const auto& result : held_) connection_->send(result);
    held_.clear();
    if (stream_.value != 0 && !file_) lend();
  }
  void admission(const ipc::Admission& value) { connection_->send(value); }

  bool hold = false;
  mail::Reply reply{250, {2, 0, 0}, "Ok"};
  std::vector<std::string> contents;
  std::vector<mail::Envelope> envelopes;
  std::vector<std::uint32_t> past_data;
  int aborts = 0;
  bool opened() const { return stream_.value != 0; }

 private:
  bool frame(ipc::FrameType type, std::string_view payload) {
    if (type == ipc::FrameType::hello) {
      connection_->send(ipc::Welcome{ipc::kProtocolVersion, 3});
      return true;
    }
    if (type == ipc::FrameType::submit) {
      ipc::Submit message;
      REQUIRE(ipc::decode(payload, message));
      past_data.push_back(message.past_data);
      envelopes.push_back(message.envelope);
      contents.emplace_back(message.content);
      settle(message.id);
      return true;
    }
    if (type == ipc::FrameType::submit_open) {
      ipc::SubmitOpen message;
      REQUIRE(ipc::decode(payload, message));
      stream_ = message.id;
      file_.reset();
      envelopes.push_back(message.envelope);
      if (!hold) lend();
      return true;
    }
    if (type == ipc::FrameType::submit_end) {
      ipc::SubmitEnd message;
      REQUIRE(ipc::decode(payload, message));
      ::lseek(file_.get(), 0, SEEK_SET);
      contents.push_back(read_small_fd(file_.get()).take());
      CHECK(message.size == contents.back().size());
      settle(message.id);
      return true;
    }
    REQUIRE(type == ipc::FrameType::submit_abort);
    ++aborts;
    return true;
  }
  void lend() {
    file_ = UniqueFd(::memfd_create("content", MFD_CLOEXEC));
    connection_->send(ipc::SubmitFile{stream_}, UniqueFd(::dup(file_.get())));
  }
  void settle(mail::QueueId id) {
    ipc::SubmitResult result{id, reply};
    if (hold)
      held_.push_back(result);
    else
      connection_->send(result);
  }

  net::Loop& loop_;
  std::string path_;
  std::unique_ptr<net::Listener> listener_;
  std::unique_ptr<daemon::IpcConnection> connection_;
  std::vector<ipc::SubmitResult> held_;
  mail::QueueId stream_;
  UniqueFd file_;
};

config::Config test_config() {
  config::Config config;
  config.hostname = "mx.test";
  config.postmaster = "root@any.test";
  config.domains.push_back({{"any.test"}, config::RecipientCheck::any, {}, {}});
  config.limits.message_size = 4U << 20;
  return config;
}

struct Bench {
  config::Config config = test_config();
  config::Listener listener;
  net::Loop loop;
  std::string path = "/tmp/pw-session-test-" + std::to_string(::getpid());
  std::unique_ptr<FakeQmgr> qmgr = std::make_unique<FakeQmgr>(loop, path);
  Policy policy{config};
  std::unique_ptr<Intake> intake = std::make_unique<Intake>(loop, path, "smtpd[0]", [] {});
  Shared shared{loop, config, policy, *intake, nullptr};
  std::unique_ptr<Session> session;
  net::Stream client;
  std::string heard;
  bool ended = false;  // the client saw the end
  bool session_over = false;

  Bench() {
    ::signal(SIGPIPE, SIG_IGN);
    listener.unix_path = path + ".client";  // or a client without address is nobody
    log::setup("test", {.level = log::Level::error});
    until([&] { return intake->up(); });
  }
  ~Bench() {
    session.reset();
    client.reset();
    intake.reset();
    qmgr.reset();
    ::unlink(path.c_str());
  }

  void until(const std::function<bool()>& done) {
    int turns = 0;
    net::Timer timer(loop);
    timer.repeat(1ms, [&] {
      if (done() || ++turns > 5000) loop.stop();
    });
    loop.run();
    INFO("heard: " << heard);
    REQUIRE(done());
  }
  void connect() {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    auto server_end = net::Stream::adopt(loop, ends[0]);
    auto client_end = net::Stream::adopt(loop, ends[1]);
    REQUIRE((server_end.ok() && client_end.ok()));
    client = client_end.take();
    client.start({
        .on_data = [this](std::string_view bytes) { heard += bytes; },
        .on_end = [this] { ended = true; },
        .on_error = [this](const Error&) { ended = true; },
        .on_drained = [] {},
    });
    session = std::make_unique<Session>(shared, listener, server_end.take(),
                                        [this](Session&) { session_over = true; });
    expect("220 mx.test ESMTP Postwain\r\n");
  }
  void say(const std::string& bytes) { client.write(bytes); }
  // Waits for a reply that ends so, and forgets what was heard.
  void expect(const std::string& end) {
    INFO("expected: " << end);
    until([&] {
      return heard.size() >= end.size() && heard.substr(heard.size() - end.size()) == end;
    });
    heard.clear();
  }
  // Up to the open DATA.
  void begin_data() {
    connect();
    say("HELO c.test\r\nMAIL FROM:<a@b>\r\nRCPT TO:<u@any.test>\r\nDATA\r\n");
    expect("354 End data with <CR><LF>.<CR><LF>\r\n");
  }
  std::string large(std::size_t lines) const {
    std::string text = "Subject: large\r\n\r\n";
    for (std::size_t i = 0; i < lines; ++i) text += std::string(98, 'x') + "\r\n";
    return text;
  }
  void expect_queued() {
    until([&] { return heard.find("250 2.0.0 Ok: queued as ") != std::string::npos; });
    heard.clear();
  }
};

}  // namespace

TEST_CASE("a small message arrives with our Received field first", "[session]") {
  Bench bench;
  bench.begin_data();
  bench.say("Subject: x\r\n\r\n..\r\n.\r\n");
  bench.expect_queued();
  REQUIRE(bench.qmgr->contents.size() == 1);
  const std::string& content = bench.qmgr->contents[0];
  CHECK(content.substr(0, 28) == "Received: from c.test\r\n\tby m");
  CHECK(content.find(" for <u@any.test>;") != std::string::npos);
  CHECK(content.substr(content.size() - 17) == "Subject: x\r\n\r\n.\r\n");
  CHECK(bench.qmgr->past_data == std::vector<std::uint32_t>{1});
}

TEST_CASE("a large message streams, and the window holds up the client", "[session]") {
  Bench bench;
  bench.begin_data();
  bench.qmgr->hold = true;
  std::string text = bench.large(30000);
  for (std::size_t at = 0; at < text.size(); at += 50000) bench.say(text.substr(at, 50000));
  bench.until([&] { return bench.qmgr->opened(); });
  int turns = 0;
  bench.until([&] { return ++turns > 30; });
  // Besides the window it holds a block that it has read, and the socket what it takes.
  CHECK(bench.client.pending() > text.size() - ipc::kSubmitWindow - (700U << 10));
  CHECK(bench.client.pending() < text.size() - ipc::kSubmitWindow);
  bench.say(".\r\n");
  bench.qmgr->release();
  bench.expect_queued();
  const std::string& content = bench.qmgr->contents.at(0);
  REQUIRE(content.size() > text.size());
  CHECK(content.substr(content.size() - text.size()) == text);
  // The session goes on.
  bench.say("NOOP\r\n");
  bench.expect("250 2.0.0 Ok\r\n");
}

TEST_CASE("<postmaster> becomes the configured address", "[session]") {
  Bench bench;
  bench.connect();
  bench.say("HELO c\r\nMAIL FROM:<>\r\nRCPT TO:<PostMaster>\r\nDATA\r\n\r\n.\r\n");
  bench.expect_queued();
  const mail::Recipient& recipient = bench.qmgr->envelopes.at(0).recipients.at(0);
  CHECK(recipient.address.text() == "root@any.test");
  CHECK(recipient.orcpt == "rfc822;postmaster");
}

TEST_CASE("submission gets the fields it lacks", "[session]") {
  Bench bench;
  bench.listener.protocol = config::ListenerProtocol::submission;
  auto network = config::parse_network("127.0.0.0/8");
  REQUIRE(network);
  bench.config.access.trusted_networks.push_back(*network);
  bench.begin_data();
  bench.say("Subject: x\r\n\r\nDate: no\r\n.\r\n");
  bench.expect_queued();
  const std::string& content = bench.qmgr->contents.at(0);
  CHECK(content.find("\r\nDate: ") < content.find("\r\nMessage-ID: <"));
  CHECK(content.find("\r\nMessage-ID: <") < content.find("\r\nSubject: x\r\n\r\nDate: no\r\n"));
}

namespace {

// What is handed over of a message, without our own Received field.
std::string behind_trace(const std::string& content) {
  std::size_t date = content.find(";\r\n\t");
  REQUIRE(date != std::string::npos);
  return content.substr(content.find("\r\n", date + 4) + 2);
}

std::string received_as(config::ListenerProtocol protocol, const std::string& wire) {
  Bench bench;
  bench.listener.protocol = protocol;
  bench.config.access.trusted_networks = {*config::parse_network("127.0.0.1")};
  bench.begin_data();
  bench.say(wire + ".\r\n");
  bench.expect_queued();
  return behind_trace(bench.qmgr->contents.at(0));
}

}  // namespace

TEST_CASE("receive 5, 6, 7: content that does not begin with a field is kept apart", "[session]") {
  struct {
    const char* what;
    std::string wire;
    std::string want;
  } rows[] = {
      {"first line white", "\t(authenticated as boss@x)\r\nFrom: a@b\r\n\r\nx\r\n",
       "\r\n\t(authenticated as boss@x)\r\nFrom: a@b\r\n\r\nx\r\n"},
      {"no header", "UPS on battery\r\nruntime 12 min\r\n",
       "\r\nUPS on battery\r\nruntime 12 min\r\n"},
      {"mbox line", "From alice Mon Nov 14 23:42:00 2026\r\nSubject: x\r\n\r\nx\r\n",
       "X-Mailbox-Line: From alice Mon Nov 14 23:42:00 2026\r\nSubject: x\r\n\r\nx\r\n"},
      {"header only", "Subject: x\r\n", "Subject: x\r\n"},
      {"body only", "\r\nx\r\n", "\r\nx\r\n"},
      {"nothing", "", ""},
      {"From with a space before its colon", "From : a@b\r\n\r\n", "From : a@b\r\n\r\n"},
      {"broken behind the first field", "Subject: x\r\nbroken\r\nTo: y\r\n\r\n",
       "Subject: x\r\nbroken\r\nTo: y\r\n\r\n"},
  };
  for (const auto& row : rows) {
    INFO(row.what);
    CHECK(received_as(config::ListenerProtocol::smtp, row.wire) == row.want);
  }
  // A large body without header streams as any other.
  std::string large;
  while (large.size() < 1500000) large += "a line of a report without any colon in it\r\n";
  CHECK(received_as(config::ListenerProtocol::smtp, large) == "\r\n" + large);
}

TEST_CASE("receive 5, 6, 8: what a submission port mends", "[session]") {
  auto submitted = [](const std::string& wire) {
    return received_as(config::ListenerProtocol::submission, wire);
  };
  std::string hidden = submitted(
      "From: a@b\r\nBcc: hidden@b,\r\n\tboss@b\r\nRESENT-BCC : c@b\r\nReturn-Path: <x@b>\r\n"
      "Date: x\r\nMessage-ID: <y@b>\r\nX-Bcc: kept\r\n\r\nBcc: of the body\r\n");
  CHECK(hidden ==
        "From: a@b\r\nDate: x\r\nMessage-ID: <y@b>\r\nX-Bcc: kept\r\n\r\nBcc: of the body\r\n");
  for (const char* first : {" (authenticated as boss)", "UPS on battery"}) {
    std::string got = submitted(std::string(first) + "\r\nmore\r\n");
    INFO(got);
    CHECK(got.find("Date: ") == 0);
    CHECK(got.find(">\r\n\r\n" + std::string(first) + "\r\nmore\r\n") != std::string::npos);
  }
  std::string mbox = submitted("From alice Mon Nov 14 23:42:00 2026\r\nDate: x\r\n\r\nx\r\n");
  CHECK(mbox.find("Message-ID: ") == 0);
  CHECK(mbox.find("\r\nX-Mailbox-Line: From alice") != std::string::npos);
  std::string broken = submitted("Date: x\r\nMessage-ID: <y@b>\r\nbroken\r\nBcc: body\r\n");
  CHECK(broken == "Date: x\r\nMessage-ID: <y@b>\r\n\r\nbroken\r\nBcc: body\r\n");
}

TEST_CASE("refusals of qmgr reach the client", "[session]") {
  Bench bench;
  bench.begin_data();
  bench.qmgr->reply = {452, {4, 3, 1}, "Disk full"};
  bench.say("x\r\n.\r\n");
  bench.expect("452 4.3.1 Disk full\r\n");
  bench.qmgr->admission({false, {452, {4, 3, 1}, "Insufficient system storage"}});
  bench.until([&] { return bench.intake->refusal().has_value(); });
  bench.say("MAIL FROM:<a@b>\r\n");
  bench.expect("452 4.3.1 Insufficient system storage\r\n");
  bench.qmgr->admission({true, {}});
  bench.until([&] { return !bench.intake->refusal().has_value(); });
  bench.say("MAIL FROM:<a@b>\r\n");
  bench.expect("250 2.1.0 Ok\r\n");
}

TEST_CASE("qmgr is lost", "[session]") {
  Bench bench;
  const std::string unavailable = "451 4.3.0 Queue unavailable, try again later\r\n";
  bench.begin_data();
  SECTION("between submit and result") {
    bench.qmgr->hold = true;
    bench.say("x\r\n.\r\n");
    bench.until([&] { return bench.qmgr->contents.size() == 1; });
    bench.qmgr->die();
    bench.expect(unavailable);
  }
  SECTION("in the middle of small content") {
    bench.say("x\r\n");
    bench.qmgr->die();
    bench.until([&] { return !bench.intake->up(); });
    bench.say("QUIT\r\n.\r\n");
    bench.expect(unavailable);
  }
  SECTION("in the middle of a stream, which is read to its true end") {
    bench.say(bench.large(2000));
    bench.until([&] { return bench.qmgr->opened() && bench.client.pending() == 0; });
    bench.qmgr->die();
    bench.until([&] { return !bench.intake->up(); });
    bench.say(bench.large(2000) + "QUIT\r\n.\r\n");
    bench.expect(unavailable);
  }
  SECTION("while the window is full") {
    bench.qmgr->hold = true;
    bench.say(bench.large(30000) + ".\r\n");
    bench.until([&] { return bench.qmgr->opened(); });
    bench.qmgr->die();
    bench.expect(unavailable);
  }
  CHECK(bench.intake->past_data() == 0);
  bench.say("MAIL FROM:<a@b>\r\n");
  bench.expect(unavailable);
  // And back again, in the same session.
  bench.qmgr = std::make_unique<FakeQmgr>(bench.loop, bench.path);
  bench.until([&] { return bench.intake->up(); });
  bench.say("MAIL FROM:<a@b>\r\nRCPT TO:<u@any.test>\r\nDATA\r\nx\r\n.\r\n");
  bench.expect_queued();
}

TEST_CASE("qmgr keeps silent", "[session]") {
  Bench bench;
  bench.begin_data();
  bench.qmgr->hold = true;
  bench.say("x\r\n.\r\n");
  bench.until([&] { return bench.qmgr->contents.size() == 1; });
  bench.session->sweep(bench.loop.now() + kQmgrPatience + 1s);
  bench.expect("451 4.3.0 Queue unavailable, try again later\r\n");
  bench.qmgr->release();  // too late, and to nobody
  bench.say("NOOP\r\n");
  bench.expect("250 2.0.0 Ok\r\n");
}

TEST_CASE("the client is lost", "[session]") {
  Bench bench;
  bench.begin_data();
  SECTION("in the middle of a stream: withdrawn") {
    bench.say(bench.large(2000));
    bench.until([&] { return bench.qmgr->opened() && bench.client.pending() == 0; });
    bench.client.reset();
    bench.until([&] { return bench.qmgr->aborts == 1; });
    CHECK(bench.session_over);
  }
  SECTION("waits for the result with its end already sent") {
    bench.qmgr->hold = true;
    bench.say("x\r\n.\r\nQUIT\r\n");
    bench.client.shutdown_write();
    bench.until([&] { return bench.qmgr->contents.size() == 1; });
    int turns = 0;
    bench.until([&] { return ++turns > 20; });
    CHECK_FALSE(bench.session_over);
    bench.qmgr->release();
    bench.expect("221 2.0.0 Bye\r\n");
    bench.until([&] { return bench.ended; });
    CHECK(bench.session_over);
  }
  CHECK(bench.intake->past_data() == 0);
}

TEST_CASE("silent clients", "[session]") {
  Bench bench;
  bench.connect();
  SECTION("in commands, also when octets drip in") {
    bench.say("NO");
    bench.session->sweep(bench.loop.now() + bench.config.limits.command_timeout + 1s);
  }
  SECTION("in content") {
    bench.say("HELO c.test\r\nMAIL FROM:<a@b>\r\nRCPT TO:<u@any.test>\r\nDATA\r\n");
    bench.expect("354 End data with <CR><LF>.<CR><LF>\r\n");
    bench.session->sweep(bench.loop.now() + bench.config.limits.data_timeout + 1s);
    CHECK(bench.intake->past_data() == 0);
  }
  bench.expect("421 4.4.2 Error: timeout exceeded\r\n");
  bench.until([&] { return bench.ended; });
  CHECK(bench.session_over);
}

TEST_CASE("shutdown", "[session]") {
  Bench bench;
  SECTION("an idle session ends at once") {
    bench.connect();
    bench.session->drain();
    bench.expect("421 4.3.2 Service shutting down, try again later\r\n");
  }
  SECTION("a message on its way gets its reply first") {
    bench.begin_data();
    bench.say("x\r\n");
    bench.session->drain();
    bench.say("y\r\n.\r\n");
    bench.until([&] { return bench.heard.find("421 4.3.2 ") != std::string::npos; });
    CHECK(bench.heard.substr(0, 23) == "250 2.0.0 Ok: queued as");
  }
  SECTION("so does one that waits for qmgr") {
    bench.begin_data();
    bench.qmgr->hold = true;
    bench.say("x\r\n.\r\n");
    bench.until([&] { return bench.qmgr->contents.size() == 1; });
    bench.session->drain();
    bench.qmgr->release();
    bench.until([&] { return bench.heard.find("421 4.3.2 ") != std::string::npos; });
    CHECK(bench.heard.substr(0, 23) == "250 2.0.0 Ok: queued as");
  }
  bench.until([&] { return bench.ended; });
  CHECK(bench.session_over);
}

TEST_CASE("a client that never reads its replies is not obeyed for ever", "[session]") {
  Bench bench;
  bench.connect();
  bench.client.pause();
  std::string many;
  for (int i = 0; i < 200000; ++i) many += "EHLO c\r\n";
  bench.config.limits.errors = 1U << 30;
  bench.say(many);
  int turns = 0;
  bench.until([&] { return ++turns > 50; });
  // Nothing to see but that it neither grows nor hangs: it still ends on time.
  bench.session->sweep(bench.loop.now() + bench.config.limits.command_timeout + 1s);
  CHECK(bench.session_over);
}

TEST_CASE("S8: header sections that do not end have one bound for all", "[session]") {
  HeaderBudget budget;
  {
    HeaderBudget::Share one(budget);
    CHECK(one.grow(HeaderBudget::kFree, true));
    CHECK(budget.held() == 0);
    CHECK(one.grow(HeaderBudget::kFree + 1000, true));
    CHECK(one.grow(HeaderBudget::kFree + HeaderBudget::kStrangersMax, true));
    HeaderBudget::Share two(budget);
    CHECK_FALSE(two.grow(HeaderBudget::kFree + 1, true));
    CHECK(two.grow(HeaderBudget::kFree + 1000, false));
    CHECK(budget.held() == HeaderBudget::kStrangersMax + 1000);
    one.clear();
    CHECK(two.grow(HeaderBudget::kFree + HeaderBudget::kMax, false));
    CHECK_FALSE(one.grow(HeaderBudget::kFree + 1, true));
  }
  CHECK(budget.held() == 0);

  Bench bench;
  bench.shared.headers = &budget;
  HeaderBudget::Share others(budget);
  REQUIRE(others.grow(HeaderBudget::kFree + HeaderBudget::kStrangersMax, true));
  bench.begin_data();
  std::string header;
  for (int i = 0; i < 1000; ++i) header += "X: " + std::string(95, 'y') + "\r\n";
  bench.say(header);
  bench.until([&, turns = 0]() mutable { return ++turns > 30; });
  bench.say("\r\nbody\r\n.\r\n");
  bench.expect("452 4.3.1 Too many large header sections at once, try later\r\n");
  // An ordinary one passes all the same.
  bench.say("MAIL FROM:<a@b>\r\nRCPT TO:<u@any.test>\r\nDATA\r\n");
  bench.expect("354 End data with <CR><LF>.<CR><LF>\r\n");
  bench.say("Subject: x\r\n\r\nbody\r\n.\r\n");
  bench.expect_queued();
  others.clear();
  bench.say("MAIL FROM:<a@b>\r\nRCPT TO:<u@any.test>\r\nDATA\r\n");
  bench.expect("354 End data with <CR><LF>.<CR><LF>\r\n");
  bench.say(header);
  bench.until([&, turns = 0]() mutable { return ++turns > 30; });
  bench.say("\r\nbody\r\n.\r\n");
  bench.expect_queued();
  CHECK(budget.held() == 0);
}
