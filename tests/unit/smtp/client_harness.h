// A client engine with a scripted server: bytes are fed whole, byte by byte, or at random cuts;
// what the client sends and every event is kept as text.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/smtp/client/client_engine.h"

namespace postwain::smtp::test {

enum class Cuts { whole, bytes, random };

struct Message {
  mail::Envelope envelope;
  std::vector<mail::Recipient> recipients;
  std::string content;
  bool inlined = true;
  bool eight_bit = false;

  Message(std::string_view from, const std::vector<std::string>& to, std::string text) {
    envelope.reverse_path = mail::Address::from_text(from);
    for (const std::string& address : to)
      recipients.push_back({mail::Address::from_text(address), {}, {}});
    content = std::move(text);
  }
  Transaction transaction(std::uint64_t key) const {
    Transaction out;
    out.key = key;
    out.envelope = &envelope;
    for (const mail::Recipient& r : recipients) out.recipients.push_back(&r);
    out.size = content.size();
    out.eight_bit = eight_bit;
    out.inlined = inlined;
    if (inlined) out.content = content;
    return out;
  }
};

class Client {
 public:
  explicit Client(ClientOptions options = {}, Cuts cuts = Cuts::whole)
      : engine(with_name(std::move(options))), cuts_(cuts) {}

  // The server says this; then everything that can happen does. After a 354 it waits for content
  // before it says more, as servers do.
  void hear(std::string_view bytes) {
    std::size_t go = bytes.find("354 ");
    std::size_t end = go == std::string_view::npos ? go : bytes.find('\n', go);
    if (end != std::string_view::npos && end + 1 < bytes.size()) {
      hear(bytes.substr(0, end + 1));
      bytes.remove_prefix(end + 1);
    }
    while (!bytes.empty()) {
      std::size_t size = bytes.size();
      if (cuts_ == Cuts::bytes) size = 1;
      if (cuts_ == Cuts::random) size = 1 + random_() % bytes.size();
      engine.receive(bytes.substr(0, size));
      bytes.remove_prefix(size);
      pump();
    }
  }
  void pump() {
    for (bool more = true; more;) {
      more = false;
      ClientEvent event;
      while (engine.next(event)) {
        more = true;
        note(event);
      }
      if (!queue.empty() && engine.wants_transaction()) {
        more = true;
        engine.add(queue.front());
        queue.pop_front();
      }
    }
    engine.produce(out_, holds_ends ? &ends : nullptr);
  }
  void give(const Message& message, std::uint64_t key) {
    queue.push_back(message.transaction(key));
    pump();
  }
  std::string sent() { return std::exchange(out_, {}); }
  std::vector<std::string> happened() { return std::exchange(events_, {}); }

  ClientEngine engine;
  std::deque<Transaction> queue;
  std::vector<mail::Outcome> outcomes;
  // Ends of data do not leave by themselves; where they are in what is sent() next.
  bool holds_ends = false;
  std::vector<std::size_t> ends;

 private:
  static ClientOptions with_name(ClientOptions options) {
    options.hello_name = "us.example";
    return options;
  }
  static std::string text_of(const mail::Outcome& o) {
    std::string out(name_of(o.disposition));
    out += " " + std::string(name_of(o.stage)) + " " + std::string(name_of(o.blame));
    if (o.reply.code != 0)
      out += " " + std::to_string(o.reply.code);
    else
      out += " " + o.reply.enhanced.text();
    if (o.in_doubt) out += " in_doubt";
    return out;
  }
  void note(const ClientEvent& event) {
    using Kind = ClientEvent::Kind;
    std::string key = std::to_string(event.key);
    switch (event.kind) {
      case Kind::ready:
        return events_.emplace_back("ready"), void();
      case Kind::start_tls:
        return events_.emplace_back("start_tls"), void();
      case Kind::log_in:
        return events_.emplace_back("log_in"), void();
      case Kind::challenge:
        return events_.emplace_back("challenge " + event.text), void();
      case Kind::logged_in:
        return events_.emplace_back("logged_in"), void();
      case Kind::want_content:
        return events_.emplace_back("want_content " + key), void();
      case Kind::recipient:
        outcomes.push_back(event.outcome);
        return events_.emplace_back(key + "/" + std::to_string(event.recipient) + " " +
                                    text_of(event.outcome)),
               void();
      case Kind::finished:
        return events_.emplace_back("finished " + key), void();
      case Kind::returned:
        return events_.emplace_back("returned " + key + " " + text_of(event.outcome)), void();
      case Kind::lacks:
        return events_.emplace_back("lacks " + std::string(name_of(event.ability))), void();
      case Kind::suspected:
        return events_.emplace_back("suspected " + std::string(name_of(event.ability))), void();
      case Kind::unusable:
        return events_.emplace_back("unusable " + text_of(event.outcome)), void();
    }
  }

  Cuts cuts_;
  std::mt19937 random_{12345};
  std::string out_;
  std::vector<std::string> events_;
};

using Events = std::vector<std::string>;

inline const std::string kPlainHello = "250 there\r\n";
inline const std::string kPipelineHello = "250-there\r\n250-PIPELINING\r\n250 8BITMIME\r\n";

// A client that is ready for transactions.
inline std::unique_ptr<Client> ready_client(const std::string& hello, Cuts cuts = Cuts::whole,
                                            ClientOptions options = {}) {
  auto client = std::make_unique<Client>(options, cuts);
  client->hear("220 hi\r\n");
  client->hear(hello);
  client->sent();
  client->happened();
  return client;
}

}  // namespace postwain::smtp::test
