// What costs CPU for every message: lines, content, both engines, frames between processes.
#include <benchmark/benchmark.h>

#include <string>

#include "bench/micro/iterations.h"
#include "common/ipc/messages.h"
#include "common/smtp/client/client_engine.h"
#include "common/smtp/server/server_engine.h"
#include "common/smtp/syntax/content_decoder.h"
#include "common/smtp/syntax/line_reader.h"

namespace {

using namespace postwain;
using bench::iterations;

std::string content_of(std::size_t bytes) {
  std::string out = "Received: from a by b; Fri, 27 Nov 2026 12:00:00 +0000\r\nSubject: x\r\n\r\n";
  while (out.size() < bytes)
    out += "A line of text as mail has it, some seventy bytes with its end.\r\n";
  return out;
}

void lines(benchmark::State& state) {
  std::string commands;
  for (int i = 0; i < 100; ++i) commands += "RCPT TO:<somebody.of.that.name@mail.example.org>\r\n";
  for (auto _ : state) {
    smtp::LineReader reader;
    reader.append(commands);
    while (auto line = reader.next_line()) benchmark::DoNotOptimize(line->text.data());
  }
  state.SetItemsProcessed(state.iterations() * 100);
}
BENCHMARK(lines)->Apply(iterations);

void dot_content(benchmark::State& state) {
  std::string wire = content_of(64 << 10) + ".\r\n";
  std::string out;
  for (auto _ : state) {
    out.clear();
    smtp::DotDecoder decoder;
    benchmark::DoNotOptimize(decoder.decode(wire, &out));
  }
  state.SetItemsProcessed(state.iterations() * 64);
}
BENCHMARK(dot_content)->Apply(iterations);

// A host that accepts everything, and a client that pipelines whole messages.
void server_session(benchmark::State& state) {
  std::string message =
      "MAIL FROM:<anna@sender.example> SIZE=4096\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n";
  std::string body = content_of(4096) + ".\r\n";
  smtp::ServerOptions options;
  options.hostname = "mx.example.org";
  for (auto _ : state) {
    smtp::ServerEngine engine(options);
    std::string content;
    engine.begin();
    engine.receive("EHLO client.example\r\n");
    for (int i = 0; i < 100; ++i) {
      engine.receive(message);
      engine.receive(body);
      for (bool more = true; more;) {
        smtp::Event event = engine.next(content);
        switch (event.kind) {
          case smtp::EventKind::need_more:
            more = false;
            break;
          case smtp::EventKind::data:
            engine.answer({354, {}, "End data with <CR><LF>.<CR><LF>"});
            break;
          case smtp::EventKind::content:
          case smtp::EventKind::reset:
            break;
          default:
            engine.answer({250, {2, 0, 0}, "Ok"});
        }
      }
      content.clear();
      engine.output().clear();
    }
  }
  state.SetItemsProcessed(state.iterations() * 100);
}
BENCHMARK(server_session)->Apply(iterations);

// The other end: replies as a server with PIPELINING gives them.
void client_session(benchmark::State& state) {
  mail::Envelope envelope;
  envelope.reverse_path = mail::Address::from_text("anna@sender.example");
  mail::Recipient recipient{mail::Address::from_text("bob@example.org"), {}, {}};
  std::string content = content_of(4096);
  for (auto _ : state) {
    smtp::ClientOptions options;
    options.hello_name = "mx.example.org";
    smtp::ClientEngine engine(options);
    std::string out;
    smtp::ClientEvent event;
    auto turn = [&] {
      while (engine.next(event)) {
      }
      engine.produce(out);
    };
    engine.receive("220 there ESMTP\r\n");
    turn();
    engine.receive("250-there\r\n250-PIPELINING\r\n250-SIZE 10000000\r\n250 8BITMIME\r\n");
    turn();
    for (std::uint64_t key = 1; key <= 100; ++key) {
      smtp::Transaction transaction;
      transaction.key = key;
      transaction.envelope = &envelope;
      transaction.recipients = {&recipient};
      transaction.size = content.size();
      transaction.inlined = true;
      transaction.content = content;
      engine.add(std::move(transaction));
      turn();
      engine.receive("250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 go on\r\n");
      turn();
      engine.receive("250 2.0.0 Ok: queued as ABC\r\n");
      turn();
      out.clear();
    }
    if (!engine.idle()) state.SkipWithError("a transaction did not end");
  }
  state.SetItemsProcessed(state.iterations() * 100);
}
BENCHMARK(client_session)->Apply(iterations);

template <class Message>
void there_and_back(benchmark::State& state, const Message& message) {
  std::string bytes;
  for (auto _ : state) {
    bytes.clear();
    ipc::Frame frame;
    if (!ipc::append_frame(bytes, message) ||
        ipc::next_frame(bytes, frame) != ipc::FrameState::complete)
      state.SkipWithError("no frame");
    Message back;
    if (!ipc::decode(frame.payload, back)) state.SkipWithError("not decoded");
    benchmark::DoNotOptimize(back);
  }
  state.SetItemsProcessed(state.iterations());
}

mail::Envelope envelope_for(int recipients) {
  mail::Envelope envelope;
  envelope.reverse_path = mail::Address::from_text("anna@sender.example");
  for (int i = 0; i < recipients; ++i)
    envelope.recipients.push_back(
        {mail::Address::from_text("user" + std::to_string(i) + "@example.org"), {}, {}});
  return envelope;
}

void submit_frame(benchmark::State& state) {
  std::string content = content_of(4096);
  there_and_back(state, ipc::Submit{mail::QueueId{12345},
                                    3,
                                    envelope_for(1),
                                    {"ESMTP", "192.0.2.7", "client.example", "", wall_now()},
                                    false,
                                    content});
}
BENCHMARK(submit_frame)->Apply(iterations);

void lease_frame(benchmark::State& state) {
  std::string content = content_of(4096);
  ipc::Lease lease;
  lease.lease = 7;
  lease.id = mail::QueueId{12345};
  lease.hop = *mail::NextHop::parse("smtp:a.example:25");
  lease.envelope = envelope_for(0);
  for (const mail::Recipient& r : envelope_for(50).recipients)
    lease.recipients.push_back({static_cast<std::uint32_t>(lease.recipients.size()), r});
  lease.size = content.size();
  lease.inlined = true;
  lease.content = content;
  there_and_back(state, lease);
}
BENCHMARK(lease_frame)->Apply(iterations);

}  // namespace
