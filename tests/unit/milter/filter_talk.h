// A filter that a test plays: packets to an engine and back.
#pragma once

#include <catch2/catch.hpp>

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "common/milter/milter_engine.h"

namespace postwain::milter::test {

inline std::string number32(std::uint32_t number) {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(number >> shift);
  return out;
}
inline std::string packet(char command, const std::string& data = {}) {
  return number32(static_cast<std::uint32_t>(data.size() + 1)) + command + data;
}
inline std::string texts(std::initializer_list<std::string_view> texts) {
  std::string out;
  for (std::string_view text : texts) {
    out += text;
    out += '\0';
  }
  return out;
}

struct SentPacket {
  char command;
  std::string data;
};

class Talk {
 public:
  // The filter wants these actions and has set these bits. macro_lists: as they stand in its
  // packet.
  explicit Talk(std::uint32_t bits = 0, std::uint32_t version = kVersion,
                const std::string& macro_lists = {}, std::uint32_t actions = action::kAll) {
    (void)engine.take_output();
    engine.receive(
        packet('O', number32(version) + number32(actions) + number32(bits) + macro_lists));
    REQUIRE(engine.agreement() != nullptr);
  }

  // What was sent since the last call: commands only.
  std::string commands() {
    std::string out;
    for (const SentPacket& one : packets()) out += one.command;
    return out;
  }
  std::vector<SentPacket> packets() {
    std::string octets = engine.take_output();
    std::vector<SentPacket> out;
    for (std::size_t at = 0; at < octets.size();) {
      REQUIRE(octets.size() - at >= 5);
      std::size_t length = 0;
      for (std::size_t i = 0; i < 4; ++i)
        length = length << 8U | static_cast<unsigned char>(octets[at + i]);
      REQUIRE(length >= 1);
      REQUIRE(octets.size() - at - 4 >= length);
      out.push_back({octets[at + 4], octets.substr(at + 5, length - 1)});
      at += 4 + length;
    }
    return out;
  }
  // The filter's answer; false: the engine gave it up.
  bool say(char command, const std::string& data = {}) {
    return engine.receive(packet(command, data));
  }
  // What the engine tells of it: "mail continue", "rcpt refuse 550 …".
  std::string verdicts() {
    constexpr std::string_view kStageNames[] = {"connect", "helo", "mail", "rcpt", "data",
                                                "header",  "eoh",  "body", "eom",  "unknown"};
    constexpr std::string_view kVerdictNames[] = {"go",      "accept",  "refuse", "defer",
                                                  "discard", "hang_up", "skip"};
    std::string out;
    while (auto one = engine.next_verdict()) {
      if (!out.empty()) out += "; ";
      out += kStageNames[static_cast<std::size_t>(one->stage)];
      out += ' ';
      out += kVerdictNames[static_cast<std::size_t>(one->verdict)];
      if (one->reply.code != 0) out += " " + one->reply.one_line();
    }
    return out;
  }

  MilterEngine engine;
};

// Up to the recipient, each answered with continue.
inline void begin_message(Talk& talk) {
  talk.engine.mail("<a@example.org>", {});
  talk.say('c');
  talk.engine.rcpt("<b@example.org>", {});
  talk.say('c');
  (void)talk.commands();
  (void)talk.verdicts();
}

}  // namespace postwain::milter::test
