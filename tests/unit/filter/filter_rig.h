// A smtpd and outside filters that a test plays, on both sides of a FilterProcess, in one loop.
// Time is what the test makes of it.
#pragma once

#include <catch2/catch.hpp>

#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/daemon/ipc_connection.h"
#include "common/milter/packet.h"
#include "filter/content_rules/content_rule_judge.h"
#include "filter/filter_process.h"
#include "tests/unit/queue/virtual_clock.h"

namespace postwain::filter::test {

using namespace std::chrono_literals;
using ipc::FilterStage;
using ipc::FilterVerdict;

inline std::string octets32(std::uint32_t number) {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(number >> shift);
  return out;
}
inline std::string texts(std::initializer_list<std::string_view> texts) {
  std::string out;
  for (std::string_view text : texts) (out += text) += '\0';
  return out;
}

// A filter: answers each packet as its script says.
class PlayedFilter {
 public:
  struct Peer {
    PlayedFilter* filter = nullptr;
    net::Stream stream{};
    milter::PacketReader reader{};
    bool gone = false;

    void say(char command, const std::string& data = {}) {
      stream.write(octets32(static_cast<std::uint32_t>(data.size() + 1)) + command + data);
    }
    void write(const std::string& octets) { stream.write(octets); }
    void close() {
      gone = true;
      stream.reset();
    }
    // protocol: bits of milter::protocol.
    void negotiate(std::uint32_t protocol = 0) {
      say('O', octets32(6) + octets32(milter::action::kAll) + octets32(protocol));
    }
  };
  using Script = std::function<void(Peer&, char command, const std::string& data)>;

  PlayedFilter(net::Loop& loop, const net::Endpoint& at, Script play)
      : script(std::move(play)),
        listener_(loop, net::bind_listener(at).take(),
                  [this](net::Stream stream) { take(std::move(stream)); }) {}

  // Negotiates, and answers with "continue" whatever has an answer.
  static void agree(Peer& peer, char command, const std::string&) {
    if (command == 'O') return peer.negotiate();
    if (std::string_view("DAQK").find(command) == std::string_view::npos) peer.say('c');
  }

  Script script;
  std::string commands;                           // of all connections, without macros
  std::vector<std::pair<char, std::string>> got;  // with their data
  int connections = 0;
  std::vector<std::unique_ptr<Peer>> peers;

  // What it has got of that command.
  std::vector<std::string> data_of(char command) const {
    std::vector<std::string> out;
    for (const auto& [one, data] : got)
      if (one == command) out.push_back(data);
    return out;
  }
  std::string body() const {
    std::string out;
    for (const std::string& piece : data_of('B')) out += piece;
    return out;
  }

 private:
  void take(net::Stream stream) {
    ++connections;
    peers.push_back(std::make_unique<Peer>());
    Peer& peer = *peers.back();
    peer.filter = this;
    peer.stream = std::move(stream);
    peer.stream.start({
        .on_data = [this, &peer](std::string_view octets) { heard(peer, octets); },
        .on_end = [&peer] { peer.close(); },
        .on_error = [&peer](const Error&) { peer.close(); },
        .on_drained = {},
        .on_descriptor = {},
    });
  }
  void heard(Peer& peer, std::string_view octets) {
    peer.reader.append(octets);
    while (auto packet = peer.reader.next()) {
      char command = packet->command;
      std::string data(packet->data);
      if (command != 'D') commands += command;
      got.emplace_back(command, data);
      script(peer, command, data);
      if (peer.gone) return;
    }
  }

  net::Listener listener_;
};

struct Folder {
  Folder() { REQUIRE(::mkdtemp(path) != nullptr); }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string at(const std::string& name) const { return std::string(path) + "/" + name; }
  char path[32] = "/tmp/pw-filter-XXXXXX";
};

// A filter that may do everything.
inline config::Filter all_granted() {
  config::Filter out;
  for (std::size_t i = 0; i < config::kFilterRights; ++i)
    out.may.add(static_cast<config::FilterRight>(i));
  return out;
}

class Rig {
 public:
  // Filters are named "a", "b", … and listen in the rig's folder.
  explicit Rig(std::vector<config::Filter> filters = {all_granted()},
               const std::vector<config::ContentRule>& rules = {}) {
    ::signal(SIGPIPE, SIG_IGN);  // as every daemon does
    for (std::size_t i = 0; i < filters.size(); ++i) {
      config::Filter& one = filters[i];
      one.name = std::string(1, static_cast<char>('a' + i));
      if (one.socket.host.empty()) one.socket.unix_path = folder.at(one.name);
    }
    Setup setup;
    setup.filters = std::move(filters);
    setup.content_rules = compile_rules(rules).take();
    setup.listeners = {{"in", ipc::FilterKind::world}};
    setup.lookup = [](const std::string& host, auto done) {
      done(host == "filters.example" ? std::vector<std::string>{"::1", "127.0.0.1"}
                                     : std::vector<std::string>());
    };
    REQUIRE(setup.scratch.open(folder.path).ok());
    process = std::make_unique<FilterProcess>(loop, clock, std::move(setup));
    connect();
  }

  PlayedFilter& play(const std::string& name, PlayedFilter::Script script = PlayedFilter::agree) {
    return play_at({.host = {}, .port = 0, .unix_path = folder.at(name)}, std::move(script));
  }
  PlayedFilter& play_at(const net::Endpoint& at, PlayedFilter::Script script) {
    played.push_back(std::make_unique<PlayedFilter>(loop, at, std::move(script)));
    return *played.back();
  }

  void connect() {
    int fds[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    process->take_link("smtpd[0]", net::Stream::adopt(loop, fds[0]).take());
    smtpd = std::make_unique<daemon::IpcConnection>(
        loop, net::Stream::adopt(loop, fds[1]).take(),
        daemon::IpcConnection::Callbacks{
            .on_frame = [this](ipc::FrameType type,
                               std::string_view payload) { return frame(type, payload); },
            .on_closed = [this](const std::string&) { closed = true; },
            .on_drained = {},
        });
  }

  // Lets the loop run until that holds; false: it has not come true in 20 seconds.
  bool until(const std::function<bool()>& holds) {
    bool in_time = true;
    net::Timer look(loop);
    net::Timer limit(loop);
    look.repeat(1ms, [&] {
      if (holds()) loop.stop();
    });
    limit.start(20s, [&] {
      in_time = false;
      loop.stop();
    });
    loop.run();
    return in_time;
  }
  void settle(Duration time = 20ms) {
    net::Timer timer(loop);
    timer.start(time, [this] { loop.stop(); });
    loop.run();
  }

  // --- what smtpd says
  // ----------------------------------------------------------------------------

  void open(std::uint64_t its_number = 1) {
    session = its_number;
    may_send = ipc::kFilterFirstWindow;
    smtpd->send(ipc::FilterSession{session, "in", ipc::FilterKind::world,
                                   ipc::FilterSession::Family::ipv4, "client.example", "192.0.2.1",
                                   4000});
  }
  std::uint32_t tell(FilterStage stage, std::string text = {}, bool awaited = true,
                     std::vector<ipc::FilterMacro> macros = {}) {
    ipc::FilterEvent event;
    event.session = session;
    event.number = ++number;
    event.stage = stage;
    event.awaited = awaited && stage != FilterStage::end_of_message;
    event.text = std::move(text);
    event.macros = std::move(macros);
    smtpd->send(event);
    return number;
  }
  // With its answer.
  ipc::FilterAnswer ask(FilterStage stage, std::string text = {},
                        std::vector<ipc::FilterMacro> macros = {}) {
    std::uint32_t asked = tell(stage, std::move(text), true, std::move(macros));
    REQUIRE(until([&] { return answers.count(asked) > 0; }));
    return answers[asked];
  }
  std::string asked(FilterStage stage, std::string text = {}) {
    ipc::FilterAnswer answer = ask(stage, std::move(text));
    std::string out(name_of(answer.verdict));
    return answer.reply.code == 0 ? out : out + " " + answer.reply.one_line();
  }
  // connect to helo, once.
  void greet() {
    open();
    ask(FilterStage::connect, {}, {{"j", "mx.example"}});
    ask(FilterStage::helo, "client.example");
  }
  void envelope() {
    ask(FilterStage::mail, "<a@example.org>", {{"i", "4K2"}});
    ask(FilterStage::rcpt, "<b@example.net>");
    ask(FilterStage::data);
  }
  // So many messages begin in other sessions, which no filter hears, and do not end: what each may
  // have in memory becomes less.
  void crowd(std::uint64_t count) {
    for (std::uint64_t one = 1000; one < 1000 + count; ++one) {
      smtpd->send(ipc::FilterSession{one, "in", ipc::FilterKind::notices, {}, {}, {}, 0});
      ipc::FilterEvent event;
      event.session = one;
      event.number = 1;
      event.stage = FilterStage::mail;
      smtpd->send(event);
    }
  }
  // One that nobody waits for before its end.
  void content(const std::string& body = "hello\r\n",
               const std::string& section = "Received: us\r\nSubject: one\r\nX-A: 1\r\n") {
    smtpd->send(ipc::FilterHeader{session, 1, section});
    tell(FilterStage::end_of_header, {}, false);
    for (std::size_t at = 0; at < body.size();) {
      if (!until([&] { return may_send > 0; })) return;
      std::string_view piece =
          std::string_view(body).substr(at, std::min(may_send, ipc::kFilterPieceMax));
      may_send -= piece.size();
      at += piece.size();
      smtpd->send(ipc::FilterBody{session, piece});
    }
    end_of_message = tell(FilterStage::end_of_message);
  }
  const ipc::FilterResult& result() {
    REQUIRE(until([&] { return results.count(end_of_message) > 0; }));
    return results[end_of_message];
  }
  // A whole message, with its result as "accept", "refuse 550 …", or "at MAIL …" where it ended
  // before.
  std::string message(const std::string& body = "hello\r\n") {
    for (auto [stage, text] :
         {std::pair(FilterStage::mail, "<a@example.org>"),
          std::pair(FilterStage::rcpt, "<b@example.net>"), std::pair(FilterStage::data, "")}) {
      std::string said = asked(stage, text);
      if (said == "accept") continue;
      smtpd->send(ipc::FilterAbort{session});
      return "at " + std::string(name_of(stage)) + " " + said;
    }
    content(body);
    const ipc::FilterResult& said = result();
    std::string out(name_of(said.verdict));
    if (said.reply.code != 0) out += " " + said.reply.one_line();
    if (said.hold) out += " held for " + *said.hold;
    return out;
  }

  // The same, of a session that has just begun.
  std::string greeted_message(const std::string& body = "hello\r\n") {
    greet();
    return message(body);
  }

  net::Loop loop;
  postwain::test::VirtualClock clock{from_unix_ms(0)};
  Folder folder;
  std::vector<std::unique_ptr<PlayedFilter>> played;
  std::unique_ptr<FilterProcess> process;
  std::unique_ptr<daemon::IpcConnection> smtpd;
  bool closed = false;

  std::uint64_t session = 1;
  std::uint32_t number = 0;
  std::uint32_t end_of_message = 0;
  std::size_t may_send = ipc::kFilterFirstWindow;
  bool confirms_pieces = true;
  int drainings = 0;
  bool answers_draining = true;
  std::map<std::uint32_t, ipc::FilterAnswer> answers;
  std::map<std::uint32_t, ipc::FilterResult> results;
  std::map<std::uint32_t, std::string> sections;  // of results
  std::string new_body;
  std::vector<ipc::FilterWants> wants;

 private:
  bool frame(ipc::FrameType type, std::string_view payload) {
    switch (type) {
      case ipc::FrameType::filter_wants:
        return ipc::decode(payload, wants.emplace_back());
      case ipc::FrameType::draining:
        ++drainings;
        if (answers_draining) smtpd->send(ipc::NothingMore{});
        return true;
      case ipc::FrameType::filter_answer: {
        ipc::FilterAnswer answer;
        if (!ipc::decode(payload, answer)) return false;
        answers[answer.number] = answer;
        return true;
      }
      case ipc::FrameType::filter_window: {
        ipc::FilterWindow window;
        if (!ipc::decode(payload, window)) return false;
        if (window.session != session) return true;
        may_send += window.octets;
        return may_send <= ipc::kFilterWindow;
      }
      case ipc::FrameType::filter_body_piece: {
        ipc::FilterBodyPiece piece;
        if (!ipc::decode(payload, piece)) return false;
        new_body += piece.octets;
        if (confirms_pieces)
          smtpd->send(
              ipc::FilterWindow{piece.session, static_cast<std::uint32_t>(piece.octets.size())});
        return true;
      }
      case ipc::FrameType::filter_result: {
        ipc::FilterResult result;
        if (!ipc::decode(payload, result)) return false;
        sections[result.number] = result.section;
        result.section = sections[result.number];
        results[result.number] = std::move(result);
        return true;
      }
      default:
        return false;
    }
  }
};

}  // namespace postwain::filter::test
